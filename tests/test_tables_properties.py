"""Any table that fits its schema is the same after it was written, and the same bytes each time."""

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actupose.tables import (
    BINS,
    CURRICULUM,
    FLOW,
    HISTORY,
    PER_BIN,
    REJECTED,
    SCORES,
    WANTED_BINS,
    epoch_predictions_schema,
    keypoint_values,
    make_table,
    normalised_schema,
    predictions_schema,
    read_table,
    samples_schema,
    table_metadata,
    wanted_schema,
    write_table,
)

SCHEMAS = {
    "samples": samples_schema(3),
    "rejected": REJECTED,
    "normalised": normalised_schema(2),
    "scores": SCORES,
    "bins": BINS,
    "history": HISTORY,
    "curriculum": CURRICULUM,
    "flow": FLOW,
    "epoch predictions": epoch_predictions_schema(2),
    "predictions": predictions_schema(1),
    "per bin": PER_BIN,
    "wanted bins": WANTED_BINS,
    "wanted": wanted_schema(2),
}
SCALARS = {
    pa.string(): st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.int32(): st.integers(-(2**31), 2**31 - 1),
    pa.float32(): st.floats(width=32),
    pa.float64(): st.floats(),
    pa.bool_(): st.booleans(),
}


def values_of(kind):
    """Any value of an Arrow type."""
    if pa.types.is_fixed_size_list(kind):
        return st.lists(values_of(kind.value_type), min_size=kind.list_size, max_size=kind.list_size)
    if pa.types.is_list(kind):
        return st.lists(values_of(kind.value_type), max_size=3)
    return SCALARS[kind]


def tables_of(schema):
    """Any table of a schema, none to four rows, with any metadata."""
    rows = st.lists(st.tuples(*(values_of(field.type) for field in schema)), max_size=4)
    metadata = st.dictionaries(st.sampled_from(["image_side", "skeleton"]), st.text("a1é", max_size=5))
    return st.builds(
        lambda rows, metadata: make_table(
            schema,
            {name: [row[column] for row in rows] for column, name in enumerate(schema.names)},
            metadata,
        ),
        rows,
        metadata,
    )


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_table_is_read_as_it_was_written_and_written_alike_again(tmp_path, schema, data):
    table = data.draw(tables_of(schema))
    write_table(tmp_path / "first", table, schema)
    back = read_table(tmp_path / "first", schema)
    # Text tells NaN, -0.0 and the last digit apart.
    assert repr(back.to_pylist()) == repr(table.to_pylist())
    assert table_metadata(back) == table_metadata(table)
    write_table(tmp_path / "second", back, schema)
    assert (tmp_path / "second").read_bytes() == (tmp_path / "first").read_bytes()


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tables_of(samples_schema(3)), st.permutations(samples_schema(3).names))
def test_columns_read_alone_are_the_whole_tables(tmp_path, table, order):
    write_table(tmp_path / "t", table, samples_schema(3))
    for count in (1, 3):
        part = read_table(tmp_path / "t", samples_schema(3), order[:count])
        assert part.column_names == list(order[:count])
        assert repr(part.to_pylist()) == repr(table.select(order[:count]).to_pylist())
    assert keypoint_values(table, "keypoints").shape == (len(table), 3, 2)
