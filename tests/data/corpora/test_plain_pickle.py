import os
import pickle
import struct

import numpy as np
import pytest

from actupose.data.corpora.plain_pickle import read_plain_pickle
from actupose.errors import UserError


@pytest.fixture
def pickled(tmp_path):
    def read(content):
        path = tmp_path / "labels.pickle"
        path.write_bytes(content)
        return read_plain_pickle(path)

    return read


def assert_refused(pickled, content):
    with pytest.raises(UserError) as caught:
        pickled(content)
    assert "labels.pickle: not a pickle of plain values" in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("kind", ["<f4", ">f8", "i8", "u1", "?"])
def test_numeric_arrays_come_back_as_they_were(pickled, protocol, kind):
    array = np.arange(6).reshape(2, 3).astype(kind)
    read = pickled(pickle.dumps({"rows": array, "columns": np.asfortranarray(array)}, protocol))
    for part in read.values():
        assert np.asarray(part).dtype == array.dtype
        np.testing.assert_array_equal(np.asarray(part), array)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_values_come_back_as_they_were(pickled, protocol):
    value = {0: [1, 2.5, None, True], "name": ("a", "é"), "scalar": np.float32(1.5)}
    assert pickled(pickle.dumps(value, protocol)) == value


def test_an_array_that_python_2_wrote_is_read(pickled):
    content = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x02\x85cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89U\x08" + struct.pack("<2f", 1.5, -200.0) + b"tb."
    )
    np.testing.assert_array_equal(np.asarray(pickled(content)), [1.5, -200.0])


class Calls:
    """Pickles as a call of a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("wrap", [list, lambda calls: np.array([*calls, None])], ids=["a list", "an array"])
def test_a_pickle_that_would_touch_a_file_is_refused_and_the_file_does_not_appear(
    pickled, tmp_path, protocol, wrap
):
    touched = tmp_path / "touched"
    content = pickle.dumps(wrap([Calls(os.mknod, str(touched))]), protocol)
    assert_refused(pickled, content)
    assert not touched.exists()
    pickle.loads(content)
    assert touched.exists()  # so the refusal was what kept it away


@pytest.mark.parametrize("function", [eval, exec, getattr, __import__, np.load, np.fromfile, pickle.loads])
def test_no_function_is_called(pickled, function):
    assert "it asks for" in assert_refused(pickled, pickle.dumps(Calls(function, "1")))


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(1, [("a", "f8")]),  # NumPy's own reader believes any offset such a type names, and crashes
        np.array(["text"]),
        np.array([None]),
        np.zeros(1, "complex64"),
        np.zeros(1, "datetime64[s]"),
    ],
    ids=lambda array: str(array.dtype),
)
def test_an_array_of_anything_but_numbers_is_refused(pickled, array):
    assert "an array of" in assert_refused(pickled, pickle.dumps(array, 2))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no pickle",
        pickle.dumps(np.arange(6.0))[:-20],
        pickle.dumps(np.arange(6.0), 2).replace(b"K\x06\x85", b"K\x07\x85"),
        b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7f",
    ],
    ids=["empty", "text", "cut off", "more elements than bytes", "a huge length"],
)
def test_a_damaged_file_is_told_in_one_line(pickled, content):
    assert_refused(pickled, content)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"absent\.pickle: no such file"):
        read_plain_pickle(tmp_path / "absent.pickle")
