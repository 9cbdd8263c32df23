"""Encoded images in one memory-mapped Arrow IPC file: any row is readable alone, opening reads nothing."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa

from actupose.errors import UserError
from actupose.files import atomic_path

SCHEMA = pa.schema(
    [
        pa.field("image", pa.large_binary(), nullable=False),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
    ]
)
ROWS_PER_BATCH = 256


def write_images(path: Path, images: Iterable[tuple[bytes, int, int]]) -> int:
    """Write (encoded bytes, width, height) rows in constant memory; returns their number."""
    rows = 0
    with (
        atomic_path(path) as temporary,
        pa.OSFile(str(temporary), "wb") as sink,
        pa.ipc.new_file(sink, SCHEMA) as writer,
    ):
        for batch in _batches(images):
            writer.write_batch(batch)
            rows += len(batch)
    return rows


def _batches(images: Iterable[tuple[bytes, int, int]]) -> Iterator[pa.RecordBatch]:
    rows: list[tuple[bytes, int, int]] = []
    for row in images:
        rows.append(row)
        if len(rows) == ROWS_PER_BATCH:
            yield _record_batch(rows)
            rows = []
    if rows:
        yield _record_batch(rows)


def _record_batch(rows: Sequence[tuple[bytes, int, int]]) -> pa.RecordBatch:
    columns = zip(*rows, strict=True)
    return pa.record_batch([pa.array(c, f.type) for c, f in zip(columns, SCHEMA, strict=True)], schema=SCHEMA)


class ImageStore:
    """Read side. A copy sent to a worker process maps the file again.

    Raises:
        UserError: the file is missing or is not an Arrow IPC file of images.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
            table.validate(full=True)  # looks at the offsets alone, not at the images
        except FileNotFoundError:
            raise UserError(f"{path}: no such image store; run the ingest stage (dvc repro)") from None
        except (pa.ArrowException, OSError) as error:
            raise UserError(f"{path}: not a readable image store: {str(error).splitlines()[0]}") from None
        if not table.schema.equals(SCHEMA):
            raise UserError(f"{path}: columns {table.schema.names}, expected {SCHEMA.names}")
        self._images = table.column("image")

    def __len__(self) -> int:
        return len(self._images)

    def __reduce__(self) -> tuple[type["ImageStore"], tuple[Path]]:
        return ImageStore, (self.path,)

    def encoded(self, row: int) -> memoryview:
        """Encoded bytes of one row, not copied."""
        return memoryview(self._images[row].as_buffer())

    def decode(self, row: int) -> np.ndarray:
        """(H, W, 3) uint8 RGB image of one row.

        Raises:
            UserError: its bytes are no image.
        """
        flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION  # keypoints are in the file's own pixels
        encoded = np.frombuffer(self.encoded(row), np.uint8)
        image = cv2.imdecode(encoded, flags) if len(encoded) else None  # OpenCV raises on no bytes
        if image is None:
            raise UserError(f"{self.path}: row {row} does not decode; run the ingest stage again")
        return np.asarray(image)
