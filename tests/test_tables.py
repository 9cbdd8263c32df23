import stat

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from actupose.errors import UserError
from actupose.files import atomic_path
from actupose.tables import (
    HISTORY,
    PER_BIN,
    WANTED_BINS,
    fixed_lists,
    keypoint_values,
    list_values,
    make_table,
    predictions_schema,
    read_table,
    samples_schema,
    table_metadata,
    write_table,
)

ROWS = {"epoch": [0, 1], "metric": ["source", "source"], "value": [0.5, 0.25]}


def samples(count=2, keypoints=3):
    points = np.arange(count * keypoints * 2, dtype=np.float32).reshape(count, keypoints, 2)
    points[0, 1] = np.nan
    visible = np.isfinite(points).all(axis=2)
    columns = {
        "sample_id": [f"s{i}" for i in range(count)],
        "split": ["train"] * count,
        "corpus": ["tiny"] * count,
        "image_row": np.arange(count),
        "keypoints": points,
        "visible": visible,
    }
    return make_table(samples_schema(keypoints), columns), points, visible


def test_a_table_written_and_read_is_the_same_with_nan_as_nan(tmp_path):
    table, points, visible = samples()
    write_table(tmp_path / "samples.parquet", table, samples_schema(3))
    back = read_table(tmp_path / "samples.parquet", samples_schema(3))
    np.testing.assert_array_equal(keypoint_values(back, "keypoints"), points)
    np.testing.assert_array_equal(list_values(back, "visible"), visible)
    assert back.column("sample_id").to_pylist() == ["s0", "s1"]
    assert back.column("keypoints").null_count == 0


def test_keypoints_lie_as_x0_y0_x1_y1():
    table, _, _ = samples(1)
    assert table.column("keypoints").to_pylist()[0][:2] == [0, 1]
    assert table.column("keypoints").to_pylist()[0][4:] == [4, 5]


def test_what_is_read_may_be_written_to(tmp_path):
    table, _, _ = samples()
    values = keypoint_values(table, "keypoints")
    values[0, 0] = 7
    assert keypoint_values(table, "keypoints")[0, 0].tolist() == [0, 1]


def test_values_of_a_filtered_table_are_those_of_its_rows():
    table, points, visible = samples(5)
    part = table.filter(pa.array([False, True, False, True, True]))
    np.testing.assert_array_equal(keypoint_values(part, "keypoints"), points[[1, 3, 4]])
    np.testing.assert_array_equal(list_values(part.slice(1), "visible"), visible[[3, 4]])


def test_values_of_joined_tables_follow_one_another():
    table, points, _ = samples(3)
    joined = pa.concat_tables([table, table.slice(0, 1)])
    np.testing.assert_array_equal(keypoint_values(joined, "keypoints"), points[[0, 1, 2, 0]])


def test_no_rows_are_no_values():
    values = keypoint_values(samples_schema(16).empty_table(), "keypoints")
    assert values.shape == (0, 16, 2)


def test_the_same_table_twice_is_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        table, _, _ = samples(500, 16)
        write_table(tmp_path / name, table, samples_schema(16))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_some_columns_are_read_alone(tmp_path):
    table, _, _ = samples()
    write_table(tmp_path / "s.parquet", table, samples_schema(3))
    part = read_table(tmp_path / "s.parquet", samples_schema(3), ["image_row", "sample_id"])
    assert part.column_names == ["image_row", "sample_id"]


@pytest.mark.parametrize(
    "table",
    [
        pa.table({"epoch": [0], "metric": ["x"]}),
        pa.table({"epoch": [0], "metric": ["x"], "value": [1.0], "more": [1]}),
        pa.table({"epoch": [0], "metric": ["x"], "value": [1]}),
        pa.table({"metric": ["x"], "epoch": [0], "value": [1.0]}),
    ],
    ids=["missing", "extra", "type", "order"],
)
def test_other_columns_are_neither_written_nor_read(tmp_path, table):
    with pytest.raises(ValueError, match="expected"):
        write_table(tmp_path / "own.parquet", table, HISTORY)
    assert list(tmp_path.iterdir()) == []
    pq.write_table(table, tmp_path / "foreign.parquet")
    with pytest.raises(UserError, match=r"foreign\.parquet: .*run its stage again"):
        read_table(tmp_path / "foreign.parquet", HISTORY)


def test_a_table_without_an_asked_column_is_a_users_mistake(tmp_path):
    pq.write_table(pa.table({"epoch": [0]}), tmp_path / "x.parquet")
    with pytest.raises(UserError, match=r"x\.parquet: "):
        read_table(tmp_path / "x.parquet", HISTORY, ["value"])


def test_a_table_of_another_skeleton_is_a_users_mistake(tmp_path):
    table, _, _ = samples(2, 3)
    write_table(tmp_path / "s.parquet", table, samples_schema(3))
    with pytest.raises(UserError, match="run its stage again"):
        read_table(tmp_path / "s.parquet", samples_schema(16))


def test_nulls_are_refused_in_values_and_within_lists(tmp_path):
    with pytest.raises(ValueError, match="holds nulls"):
        write_table(tmp_path / "h.parquet", make_table(HISTORY, ROWS | {"value": [None, 1.0]}), HISTORY)
    table, _, _ = samples(1, 3)
    index = table.column_names.index("keypoints")
    inner = pa.array([[0.0, 1.0, None, 3.0, 4.0, 5.0]], samples_schema(3).field("keypoints").type)
    with pytest.raises(ValueError, match="holds nulls"):
        write_table(
            tmp_path / "s.parquet",
            table.set_column(index, table.schema.field(index), inner),
            samples_schema(3),
        )
    assert list(tmp_path.iterdir()) == []
    row = {name: [0] for name in WANTED_BINS.names} | {"sample_ids": [["a", None]]}
    with pytest.raises(ValueError, match="holds nulls"):
        write_table(tmp_path / "w.parquet", make_table(WANTED_BINS, row), WANTED_BINS)


def test_a_missing_file_names_the_way_to_make_it(tmp_path):
    with pytest.raises(UserError, match=r"none\.parquet: no such table; run the stage that writes it"):
        read_table(tmp_path / "none.parquet", HISTORY)


@pytest.mark.parametrize("content", [b"", b"PAR1 not really", b"epoch,metric\n0,x\n"])
def test_a_file_that_is_no_table_is_a_users_mistake_in_one_line(tmp_path, content):
    (tmp_path / "x.parquet").write_bytes(content)
    with pytest.raises(UserError, match="not a readable Parquet table") as caught:
        read_table(tmp_path / "x.parquet", HISTORY)
    assert "\n" not in str(caught.value)


def test_a_truncated_table_is_a_users_mistake(tmp_path):
    write_table(tmp_path / "h.parquet", make_table(HISTORY, ROWS), HISTORY)
    content = (tmp_path / "h.parquet").read_bytes()
    (tmp_path / "h.parquet").write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match="not a readable Parquet table"):
        read_table(tmp_path / "h.parquet", HISTORY)


def test_a_half_written_file_is_never_seen(tmp_path):
    path = tmp_path / "deep" / "file.txt"
    with atomic_path(path) as temporary:
        temporary.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_text("half of the n")
        assert path.read_text() == "old"
        raise RuntimeError
    assert path.read_text() == "old"
    assert [entry.name for entry in path.parent.iterdir()] == ["file.txt"]


def test_the_file_appears_when_it_is_whole(tmp_path):
    path = tmp_path / "file.txt"
    with atomic_path(path) as temporary:
        temporary.write_text("new")
        assert not path.exists()
        assert temporary.parent == path.parent  # renaming within a folder is atomic
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) & stat.S_IRUSR
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.txt"]


def test_metadata_is_kept_as_text(tmp_path):
    schema, metadata = predictions_schema(1), {"image_side": "64", "selection": "last"}
    columns = {
        "sample_id": ["a"],
        "bin": [0],
        "keypoints_pred": np.zeros((1, 1, 2), np.float32),
        "confidence": np.ones((1, 1), np.float32),
        "keypoints_true": np.zeros((1, 1, 2), np.float32),
        "visible": np.ones((1, 1), bool),
        "evalpose_angle": [1.0],
        "evalpose_bone": [float("nan")],
    }
    write_table(tmp_path / "p.parquet", make_table(schema, columns, metadata), schema)
    back = read_table(tmp_path / "p.parquet", schema)
    assert table_metadata(back) == metadata
    assert np.isnan(back.column("evalpose_bone").to_pylist()[0])
    assert table_metadata(make_table(HISTORY, ROWS)) == {}


def test_trailing_axes_are_flattened_into_one_list():
    column = fixed_lists(np.arange(12).reshape(2, 3, 2))
    assert column.to_pylist() == [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]]
    assert make_table(PER_BIN, {name: [] for name in PER_BIN.names}).num_rows == 0
