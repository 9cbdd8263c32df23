import struct
import zlib

import numpy as np
import pytest
from corpus_files import real_data
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.io import loadmat, savemat

from actupose.data.corpora.plain_matlab import MAX_BYTES, read_plain_matlab
from actupose.data.corpora.records import Refusal

KINDS = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8", "?"]


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data(), st.sampled_from(KINDS), st.booleans())
def test_arrays_are_those_that_scipy_writes(tmp_path, data, kind, compressed):
    shape = data.draw(arrays.array_shapes(min_dims=2, max_dims=4, max_side=5))
    array = data.draw(arrays.arrays(kind, shape))
    other = {"x": np.ones(3), "text": "y", "cells": np.array([[1, "z"]], object), "fields": {"a": 1}}
    savemat(tmp_path / "a.mat", other | {"joints": array}, do_compression=compressed)
    joints, x = read_plain_matlab(tmp_path / "a.mat", ["joints", "x"])
    np.testing.assert_array_equal(joints, array.astype(float))
    np.testing.assert_array_equal(x, np.ones((1, 3)))
    assert joints.dtype == np.float64


@pytest.mark.parametrize(
    ("file", "names"),
    [
        ("lsp/joints.mat", ["joints"]),
        ("samples/surreal/01_01_c0001_info.mat", ["joints3D", "camLoc", "joints2D", "zrot"]),
    ],
)
def test_published_files_are_read_as_scipy_reads_them(file, names):
    path = real_data(file)
    for name, found in zip(names, read_plain_matlab(path, names), strict=True):
        np.testing.assert_array_equal(found, loadmat(path)[name])


def test_a_file_of_a_machine_that_counts_from_the_other_end_is_read(tmp_path):
    def element(kind, content):
        return struct.pack(">II", kind, len(content)) + content + bytes(-len(content) % 8)

    parts = [element(6, struct.pack(">II", 6, 0)), element(5, struct.pack(">ii", 1, 2))]
    parts += [element(1, b"joints"), element(9, struct.pack(">dd", 1.5, -2.0))]
    (tmp_path / "a.mat").write_bytes(b" " * 124 + b"\x01\x00MI" + element(14, b"".join(parts)))
    np.testing.assert_array_equal(read_plain_matlab(tmp_path / "a.mat", ["joints"])[0], [[1.5, -2.0]])


def refused(path):
    with pytest.raises(Refusal) as caught:
        read_plain_matlab(path, ["joints"])
    return str(caught.value)


@pytest.mark.parametrize(
    "value",
    ["text", np.array([[1, "x"]], object), {"a": 1}, np.array([1j])],
    ids=["text", "cells", "struct", "complex"],
)
def test_what_is_no_array_of_numbers_is_refused(tmp_path, value):
    savemat(tmp_path / "a.mat", {"joints": value})
    assert refused(tmp_path / "a.mat") == "no readable MATLAB variable 'joints'"


def test_every_number_of_a_file_may_be_wrong(tmp_path):
    """Each byte in turn becomes 0, 1 or 255: the array is read, or it is refused."""
    savemat(tmp_path / "good.mat", {"joints": np.arange(6.0).reshape(2, 3)})
    good = (tmp_path / "good.mat").read_bytes()
    outcomes = set()
    for position in range(len(good)):
        for value in (0, 1, 255):
            (tmp_path / "a.mat").write_bytes(good[:position] + bytes([value]) + good[position + 1 :])
            try:
                outcomes.add(len(read_plain_matlab(tmp_path / "a.mat", ["joints"])))
            except Refusal as refusal:
                outcomes.add(str(refusal))
    assert outcomes == {1, "no readable MATLAB variable 'joints'"}


def test_a_variable_that_unpacks_to_too_much_is_refused_before_it_is(tmp_path):
    savemat(tmp_path / "a.mat", {"joints": np.zeros(1)})
    header = (tmp_path / "a.mat").read_bytes()[:128]
    bomb = zlib.compress(bytes(MAX_BYTES + 1))
    (tmp_path / "a.mat").write_bytes(header + struct.pack("<II", 15, len(bomb)) + bomb)
    assert len(bomb) < MAX_BYTES / 900
    assert refused(tmp_path / "a.mat") == "a MATLAB variable of more than 80 million bytes"
