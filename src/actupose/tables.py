"""One pyarrow schema per table, checked on write and on read; atomic, byte-stable Parquet.

Keypoints and poses are fixed lists of 2K float32: x0, y0, x1, y1, ...; NaN = not annotated, never null.
The same table written twice is the same bytes, so that DVC runs nothing again for nothing.
"""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from actupose.errors import UserError
from actupose.files import atomic_path

SPLITS = ("train", "val", "test")
ROWS_PER_GROUP = 65536


def _points(num_keypoints: int) -> pa.DataType:
    return pa.list_(pa.float32(), 2 * num_keypoints)


def _flags(num_keypoints: int) -> pa.DataType:
    return pa.list_(pa.bool_(), num_keypoints)


def _schema(**columns: pa.DataType) -> pa.Schema:
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in columns.items()])


def samples_schema(num_keypoints: int) -> pa.Schema:
    """Ingested samples; keypoints in pixels of the stored image."""
    return _schema(
        sample_id=pa.string(),
        split=pa.string(),
        corpus=pa.string(),
        image_row=pa.int64(),
        keypoints=_points(num_keypoints),
        visible=_flags(num_keypoints),
    )


REJECTED = _schema(path=pa.string(), reason=pa.string())


def normalised_schema(num_keypoints: int) -> pa.Schema:
    """Poses centred on the mean of their visible keypoints, divided by the RMS distance from it."""
    return _schema(
        sample_id=pa.string(),
        split=pa.string(),
        pose=_points(num_keypoints),
        visible=_flags(num_keypoints),
        center=pa.list_(pa.float32(), 2),
        scale=pa.float32(),
    )


SCORES = _schema(
    sample_id=pa.string(), split=pa.string(), score=pa.float32(), rank=pa.int64(), bin=pa.int64()
)

BINS = _schema(
    bin=pa.int64(),
    count=pa.int64(),
    score_min=pa.float32(),
    score_mean=pa.float32(),
    score_max=pa.float32(),
    variation_mean=pa.float32(),
    variation_std=pa.float32(),
    variation_q05=pa.float32(),
    variation_q25=pa.float32(),
    variation_q50=pa.float32(),
    variation_q75=pa.float32(),
    variation_q95=pa.float32(),
)

HISTORY = _schema(epoch=pa.int64(), metric=pa.string(), value=pa.float64())

CURRICULUM = _schema(
    epoch=pa.int64(),
    bin=pa.int64(),
    mean_score=pa.float32(),
    weight=pa.float32(),
    available=pa.int64(),
    drawn=pa.int64(),
    moved=pa.int64(),
)

FLOW = _schema(vae_bin=pa.int64(), bin=pa.int64(), count=pa.int64())


def epoch_predictions_schema(num_keypoints: int) -> pa.Schema:
    """Predictions for the target's test images after each epoch: no labels.

    ``cell`` is the flat heat-map arg-max (-1 where the peak is not positive), for the literature's metric.
    """
    return _schema(
        epoch=pa.int64(),
        sample_id=pa.string(),
        keypoints_pred=_points(num_keypoints),
        confidence=pa.list_(pa.float32(), num_keypoints),
        cell=pa.list_(pa.int32(), num_keypoints),
    )


def model_predictions_schema(num_keypoints: int) -> pa.Schema:
    """What a trained model says of all images of the target and of the source's test images: no labels.

    ``domain`` is source or target; ``cell`` as after an epoch. Schema metadata: heatmap_side and
    heatmap_sigma (cells), which say what a cell is.
    """
    return _schema(
        domain=pa.string(),
        split=pa.string(),
        sample_id=pa.string(),
        keypoints_pred=_points(num_keypoints),
        confidence=pa.list_(pa.float32(), num_keypoints),
        cell=pa.list_(pa.int32(), num_keypoints),
    )


def predictions_schema(num_keypoints: int) -> pa.Schema:
    """Final predictions beside the labels; coordinates in pixels of the stored image.

    Schema metadata: image_side, skeleton, selection.
    """
    return _schema(
        sample_id=pa.string(),
        bin=pa.int64(),
        keypoints_pred=_points(num_keypoints),
        confidence=pa.list_(pa.float32(), num_keypoints),
        keypoints_true=_points(num_keypoints),
        visible=_flags(num_keypoints),
        evalpose_angle=pa.float32(),
        evalpose_bone=pa.float32(),
    )


def people_schema(num_keypoints: int) -> pa.Schema:
    """What a model found in pictures and videos, one row a person; all coordinates in pixels of the image.

    ``image`` names a picture or a video; ``frame`` (always 0 of a picture) and ``person`` count from 0;
    ``box`` is x, y, width, height. Schema metadata: skeleton.
    """
    return _schema(
        image=pa.string(),
        frame=pa.int64(),
        person=pa.int64(),
        keypoints=_points(num_keypoints),
        confidence=pa.list_(pa.float32(), num_keypoints),
        box=pa.list_(pa.float32(), 4),
        width=pa.int32(),
        height=pa.int32(),
    )


PER_BIN = _schema(
    bin=pa.int64(),
    count=pa.int64(),
    keypoint_accuracy=pa.float32(),
    pck_all=pa.float32(),
    evalpose_angle=pa.float32(),
    evalpose_bone=pa.float32(),
)


WANTED_BINS = _schema(
    bin=pa.int64(),
    target_count=pa.int64(),
    target_share=pa.float32(),
    source_share=pa.float32(),
    deficit=pa.float32(),
    sample_ids=pa.list_(pa.string()),
)


def wanted_schema(num_keypoints: int) -> pa.Schema:
    """Poses that stand for what the source lacks, the most lacking first; ``pose`` is a normalised one.

    ``rank`` counts from 0. ``target_count`` poses are alike to it and to none before it; shares are of all
    that are alike to it. Schema metadata: skeleton, alike (the mean cosine that two alike poses reach).
    """
    return _schema(
        rank=pa.int64(),
        pose=_points(num_keypoints),
        bin=pa.int64(),
        score=pa.float32(),
        target_count=pa.int64(),
        target_share=pa.float32(),
        source_share=pa.float32(),
        deficit=pa.float32(),
        sample_ids=pa.list_(pa.string()),
        source_ids=pa.list_(pa.string()),
    )


def fixed_lists(values: np.ndarray) -> pa.FixedSizeListArray:
    """(N, ...) array as a column of N fixed-size lists; trailing axes are flattened."""
    flat = np.ascontiguousarray(values).reshape(-1)
    return pa.FixedSizeListArray.from_arrays(pa.array(flat), math.prod(values.shape[1:]))


def list_values(table: pa.Table, column: str) -> np.ndarray:
    """(N, M) array of a fixed-size-list column."""
    values = table.column(column).combine_chunks()
    flat = values.flatten().to_numpy(zero_copy_only=False)
    return np.array(flat).reshape(len(table), values.type.list_size)  # a copy: torch wants it writable


def keypoint_values(table: pa.Table, column: str) -> np.ndarray:
    """(N, K, 2) float32 array of a column of 2K coordinates."""
    values = list_values(table, column)
    return values.reshape(len(values), values.shape[1] // 2, 2)


def make_table(
    schema: pa.Schema, columns: Mapping[str, Any], metadata: Mapping[str, str] | None = None
) -> pa.Table:
    """Table of ``schema`` from arrays, lists or multi-dimensional numpy arrays."""
    arrays = [_column(columns[field.name], field.type) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema.with_metadata(dict(metadata) if metadata else None))


def history_table(history: list[dict[str, float]]) -> pa.Table:
    """Long table (epoch, metric, value) of one dict of metrics an epoch."""
    rows = [(epoch, name, value) for epoch, metrics in enumerate(history) for name, value in metrics.items()]
    epochs, names, values = zip(*rows, strict=True) if rows else ((), (), ())
    return make_table(HISTORY, {"epoch": epochs, "metric": names, "value": values})


def _column(values: Any, kind: pa.DataType) -> pa.Array:  # noqa: ANN401 - array, list or column
    if isinstance(values, pa.Array):
        return values.cast(kind)
    if isinstance(values, np.ndarray) and values.ndim > 1:
        return fixed_lists(values).cast(kind)
    return pa.array(values, type=kind)


def write_table(path: Path, table: pa.Table, schema: pa.Schema) -> None:
    """Write a table in its given order.

    Raises:
        ValueError: columns, types or a null contradict ``schema`` (our fault, not the user's).
    """
    if not table.schema.equals(schema, check_metadata=False):
        raise ValueError(f"{path}: columns are {table.schema}, expected {schema}")
    if any(_holds_null(column) for column in table.columns):
        raise ValueError(f"{path}: a column holds nulls")
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", row_group_size=ROWS_PER_GROUP, store_schema=True)


def _holds_null(column: pa.ChunkedArray) -> bool:
    """Whether a value, or a value within a list, is null."""
    is_list = pa.types.is_fixed_size_list(column.type) or pa.types.is_list(column.type)
    inside = is_list and column.combine_chunks().flatten().null_count
    return bool(column.null_count or inside)


def read_table(path: Path, schema: pa.Schema, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a table (or some columns of it), checked against ``schema``.

    Raises:
        UserError: the file is missing, is not Parquet, has other columns or holds nulls.
    """
    with _readable(path), pq.ParquetFile(path) as file:
        return _checked(path, file.read(_present(file.schema_arrow, columns)), schema, columns)


def read_batches(path: Path, schema: pa.Schema, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Some columns of a table, checked as by :func:`read_table`, piece by piece in constant memory."""
    with _readable(path), pq.ParquetFile(path, pre_buffer=False) as file:  # else it holds the whole file
        present = _present(file.schema_arrow, columns)
        for batch in file.iter_batches(batch_size=ROWS_PER_GROUP, columns=present):
            yield _checked(path, pa.Table.from_batches([batch]), schema, columns)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise UserError(f"{path}: no such table; run the stage that writes it (dvc repro)") from None
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path}: not a readable Parquet table: {str(error).splitlines()[0]}") from None


def _present(schema: pa.Schema, columns: Sequence[str] | None) -> list[str]:
    return [name for name in columns if name in schema.names] if columns else schema.names


def _checked(path: Path, table: pa.Table, schema: pa.Schema, columns: Sequence[str] | None) -> pa.Table:
    table.validate(full=True)  # text that is not UTF-8 would show where it is used
    wanted = schema if columns is None else pa.schema([schema.field(name) for name in columns])
    if fault := _misfit(table, wanted):
        raise UserError(f"{path}: {fault}; run its stage again")
    return table.cast(wanted.with_metadata(table.schema.metadata))  # Parquet renames the values of lists


def _misfit(table: pa.Table, wanted: pa.Schema) -> str | None:
    """What keeps a table from being one of ``wanted``, if anything does."""
    if table.schema.names != wanted.names:
        return f"columns {table.schema.names} do not fit {wanted.names}"
    for found, field in zip(table.schema, wanted, strict=True):
        if found.type != field.type:
            return f"column {field.name!r} is {found.type}, not {field.type}"
        if not found.equals(field) or _holds_null(table.column(field.name)):
            return f"column {field.name!r} may hold nulls"
    return None


def table_digest(table: pa.Table) -> bytes:
    """Name what a table holds: SHA-256 of its columns."""
    found = hashlib.sha256()
    for batch in table.combine_chunks().to_batches():
        found.update(batch.serialize())
    return found.digest()


def table_metadata(table: pa.Table) -> dict[str, str]:
    """Schema metadata as text."""
    return {
        key.decode(): value.decode()
        for key, value in (table.schema.metadata or {}).items()
        if not key.startswith(b"ARROW")
    }
