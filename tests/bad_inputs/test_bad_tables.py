"""What ingest wrote, damaged since: a stage that reads the samples or their images ends with one line."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from spoilt import as_folder, assert_says, cut_short, holding, line_of, without
from tiny_domains import write_domain

from actupose.data.dataset import Domain
from actupose.data.image_store import SCHEMA, write_images
from actupose.skeleton import BODY16
from actupose.tables import samples_schema

TABLE, STORE = "samples.parquet", "images.arrow"
COUNTS = {"train": 8, "test": 3}


def read_all(folder):
    """Everything that training reads of a domain."""
    domain = Domain(folder, BODY16)
    images = domain.images("train")
    for batch in images.batches(torch.arange(len(images)).split(4), workers=0):
        assert batch.images.shape[1:] == (3, 32, 32)
    domain.labels("train")


def with_column(name, change):
    """Another column in the place of one, written without the project's checks."""

    def spoil(root):
        table = pq.read_table(root / TABLE, partitioning=None)
        column = change(table.column(name).combine_chunks())
        field = pa.field(name, column.type, nullable=column.null_count > 0)
        pq.write_table(table.set_column(table.column_names.index(name), field, column), root / TABLE)

    return spoil


def with_nulls(column):
    return pa.array([None, *column.to_pylist()[1:]], column.type)


def with_null_inside(column):
    """The lists are there, but one of their values is null."""
    values = pa.array([None, *column.flatten().to_pylist()[1:]], column.type.value_type)
    return pa.FixedSizeListArray.from_arrays(values, column.type.list_size)


def no_text(column):
    """Bytes under the name of text."""
    offsets = pa.py_buffer(np.arange(len(column) + 1, dtype=np.int32) * 2)
    return pa.StringArray.from_buffers(len(column), offsets, pa.py_buffer(b"\xff\xfe" * len(column)))


def one_keypoint_less(column):
    return pa.FixedSizeListArray.from_arrays(column.flatten()[: 30 * len(column)], 30)


def by_rows(column):
    """Ten more than it was."""
    return pa.array([row + 10 for row in column.to_pylist()])


def of_no_rows(root):
    pq.write_table(samples_schema(16).empty_table(), root / TABLE)


def without_column(root):
    pq.write_table(pq.read_table(root / TABLE, partitioning=None).drop_columns(["visible"]), root / TABLE)


def said(of, fault):
    return f"{{root}}/{of}: {fault}"


NO_TABLE = said(TABLE, "not a readable Parquet table: ...")

TABLES = {
    "not there": (without(TABLE), said(TABLE, "no such table; run the stage that writes it (dvc repro)")),
    "no bytes": (holding(TABLE, b""), NO_TABLE),
    "text": (holding(TABLE, "sample_id,split\n0,train\n"), NO_TABLE),
    "cut short": (cut_short(TABLE, 0.7), NO_TABLE),
    "an empty folder": (as_folder(TABLE), NO_TABLE),
    "no rows": (of_no_rows, said(TABLE, "split 'train' holds no sample")),
    "a column less": (
        without_column,
        said(
            TABLE,
            "columns ['sample_id', 'split', 'image_row', 'keypoints'] do not fit "
            "['sample_id', 'split', 'image_row', 'keypoints', 'visible']; run its stage again",
        ),
    ),
    "a keypoint less": (
        with_column("keypoints", one_keypoint_less),
        said(
            TABLE,
            "column 'keypoints' is fixed_size_list<element: float>[30], not ...[32]; run its stage again",
        ),
    ),
    "keypoints of double precision": (
        with_column("keypoints", lambda column: column.cast(pa.list_(pa.float64(), 32))),
        said(
            TABLE, "column 'keypoints' is fixed_size_list<element: double>[32], not ...; run its stage again"
        ),
    ),
    "numbers as ids": (
        with_column("sample_id", lambda column: pa.array(range(len(column)))),
        said(TABLE, "column 'sample_id' is int64, not string; run its stage again"),
    ),
    "a null id": (
        with_column("sample_id", with_nulls),
        said(TABLE, "column 'sample_id' may hold nulls; run its stage again"),
    ),
    "a null within visible": (
        with_column("visible", with_null_inside),
        said(TABLE, "column 'visible' may hold nulls; run its stage again"),
    ),
    "ids that are not UTF-8": (with_column("sample_id", no_text), NO_TABLE),
    "images of another store": (
        with_column("image_row", by_rows),
        "{root}: samples.parquet names images that images.arrow lacks; ingest again",
    ),
}


def store(*images):
    """As many images as there are samples, of which the first ones are given."""
    rows = [*images, *[b"no image"] * (sum(COUNTS.values()) - len(images))]
    return lambda root: write_images(root / STORE, ((encoded, 32, 32) for encoded in rows))


def other_columns(root):
    with pa.ipc.new_file(str(root / STORE), pa.schema([("image", pa.string())])) as writer:
        writer.write_batch(pa.record_batch([["x"]], names=["image"]))


def lengths_that_do_not_fit(root):
    """Offsets of the images that fall, which Arrow itself would follow out of the file."""
    offsets = np.array([0, 900, -5, *[900] * 9], np.int64)
    count = sum(COUNTS.values())
    images = pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), count, [None, pa.py_buffer(offsets), pa.py_buffer(bytes(900))]
    )
    sizes = pa.array([32] * count, pa.int32())
    with pa.ipc.new_file(str(root / STORE), SCHEMA) as writer:
        writer.write_batch(pa.record_batch([images, sizes, sizes], schema=SCHEMA))


NO_STORE = said(STORE, "not a readable image store: ...")
NO_IMAGE = said(STORE, "row 0 does not decode; run the ingest stage again")

STORES = {
    "not there": (without(STORE), said(STORE, "no such image store; run the ingest stage (dvc repro)")),
    "no bytes": (holding(STORE, b""), NO_STORE),
    "a table": (lambda root: holding(STORE, (root / TABLE).read_bytes())(root), NO_STORE),
    "cut short": (cut_short(STORE, 0.7), NO_STORE),
    "a folder": (as_folder(STORE), NO_STORE),
    "other columns": (
        other_columns,
        said(STORE, "columns ['image'], expected ['image', 'width', 'height']"),
    ),
    "lengths that do not fit": (lengths_that_do_not_fit, NO_STORE),
    "an image of no bytes": (store(b""), NO_IMAGE),
    "an image that is none": (store(), NO_IMAGE),
}


def assert_refused(bad, folder, capsys):
    spoil, says = bad
    write_domain(folder, COUNTS, seed=0, background=30)
    read_all(folder)
    spoil(folder)
    assert_says(line_of(lambda: read_all(folder), capsys), says.format(root=folder))


@pytest.mark.parametrize("bad", TABLES.values(), ids=TABLES)
def test_a_bad_table_is_one_line(bad, tmp_path, capsys):
    assert_refused(bad, tmp_path, capsys)


@pytest.mark.parametrize("bad", STORES.values(), ids=STORES)
def test_a_bad_image_store_is_one_line(bad, tmp_path, capsys):
    assert_refused(bad, tmp_path, capsys)
