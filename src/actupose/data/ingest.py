"""Any corpus becomes three files: samples.parquet, images.arrow and rejected.parquet.

Images are decoded once, brought to squares of the run's size and stored encoded, each picture once.
"""

import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np

from actupose.data.corpora import index_corpus
from actupose.data.corpora.pictures import Picture, encode_jpeg, read_picture
from actupose.data.corpora.records import Label, Record, Refusal, Rejection, Split
from actupose.data.crop import Cut, Placement, inside, move_image, move_points, place, scale_box
from actupose.data.image_store import write_images
from actupose.errors import UserError, one_line
from actupose.params import Corpus, DataParams, IngestParams
from actupose.progress import progress
from actupose.skeleton import SKELETONS
from actupose.tables import REJECTED, SPLITS, make_table, samples_schema, write_table

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

_CHUNK = 32  # pictures that a thread takes at a time


@dataclass(frozen=True)
class StoredPicture:
    """A picture as it is stored, and its keypoints in the stored square.

    Attributes:
        keypoints_px: (K, 2) float32, NaN where not annotated.
        visible: (K,) bool.
    """

    record: Record
    encoded: bytes
    keypoints_px: np.ndarray
    visible: np.ndarray


@dataclass
class Ledger:
    """What was accepted and what was refused so far: samples as columns, because there may be millions.

    Attributes:
        splits: the split of every sample id, in the order of entry.
        image_rows: the row of every sample's picture.
        keypoints_px: (K, 2) float32 of every sample, one after the other.
        visible: (K,) bool of every sample.
    """

    splits: dict[str, Split] = field(default_factory=dict)
    image_rows: list[int] = field(default_factory=list)
    keypoints_px: bytearray = field(default_factory=bytearray)
    visible: bytearray = field(default_factory=bytearray)
    rejected: list[Rejection] = field(default_factory=list)
    num_pictures: int = 0

    def enter(self, outcome: StoredPicture | Rejection) -> StoredPicture | None:
        """Note an outcome; returns the picture to store, if any. A second use of a sample id is refused."""
        if isinstance(outcome, StoredPicture):
            ids = {split: one_line(sample_id) for split, sample_id in outcome.record.ids.items()}
            counts = Counter(ids.values())
            taken = [sample_id for sample_id in counts if counts[sample_id] > 1 or sample_id in self.splits]
            if not taken:
                self._accept(outcome, ids)
                return outcome
            outcome = Rejection(outcome.record.origin, f"sample id {min(taken)} is used twice")
        self.rejected.append(outcome)
        return None

    def _accept(self, picture: StoredPicture, ids: Mapping[Split, str]) -> None:
        for split, sample_id in ids.items():
            self.splits[sample_id] = split
            self.image_rows.append(self.num_pictures)
            self.keypoints_px += picture.keypoints_px.tobytes()
            self.visible += picture.visible.tobytes()
        self.num_pictures += 1


@np.errstate(all="ignore")  # what overflows is refused; NumPy would warn in a second line
def ingest(data: DataParams, domain: Literal["source", "target"], settings: IngestParams, out: Path) -> None:
    """Write samples.parquet, images.arrow and rejected.parquet of one domain below ``out``.

    Samples are ordered by (split, sample_id). Where too many inputs are refused, rejected.parquet alone is
    written.

    Raises:
        UserError: the corpus cannot be read, too much of it is refused, or train or test is empty.
    """
    corpus = data.source if domain == "source" else data.target
    skeleton = SKELETONS[data.skeleton]
    check_root(corpus, f"data.{domain}.root")
    store = partial(prepare, num_keypoints=len(skeleton), side=data.image_size, quality=settings.jpeg_quality)
    outcomes = map_ordered(store, index_corpus(corpus, skeleton, data.image_size), _CHUNK)
    ledger = Ledger()

    def accepted() -> Iterator[tuple[bytes, int, int]]:
        with progress(f"ingest {domain}", total=None) as advance:
            for count, outcome in enumerate(outcomes, start=1):
                if picture := ledger.enter(outcome):
                    yield picture.encoded, data.image_size, data.image_size
                advance(count)
        # Raised inside the writer, so that it drops its unfinished file.
        check_share(ledger, settings.max_rejected_fraction, out / "rejected.parquet")
        check_splits(ledger, corpus)

    write_images(out / "images.arrow", accepted())
    write_samples(out / "samples.parquet", ledger, corpus.corpus, len(skeleton))
    write_rejected(out / "rejected.parquet", ledger.rejected)


def check_root(corpus: Corpus, key: str) -> None:
    """Raise a UserError unless the corpus' root is a folder with something in it."""
    if not corpus.root.is_dir():
        fault = "is a file, not a folder" if corpus.root.exists() else "no such folder"
        raise UserError(f"{key} = {corpus.root}: {fault}")
    if not any(corpus.root.iterdir()):
        raise UserError(f"{key} = {corpus.root}: the folder is empty")


def map_ordered(
    function: Callable[[ItemT], ResultT], items: Iterable[ItemT], chunk: int = 1
) -> Iterator[ResultT]:
    """Results in the order of the items, computed by threads that each run at most a chunk ahead.

    Where a call is short, handing over items in chunks costs less than one by one.
    """
    workers = os.cpu_count() or 1
    pending: deque[Future[list[ResultT]]] = deque()
    rest = iter(items)
    with ThreadPoolExecutor(workers) as pool:
        while several := list(islice(rest, chunk)):
            pending.append(pool.submit(_call_each, function, several))
            if len(pending) > workers:
                yield from pending.popleft().result()
        while pending:
            yield from pending.popleft().result()


def _call_each(function: Callable[[ItemT], ResultT], items: Sequence[ItemT]) -> list[ResultT]:
    return [function(item) for item in items]


def prepare(
    entry: Record | Rejection, num_keypoints: int, side: int, quality: int
) -> StoredPicture | Rejection:
    """Decode a record's picture and bring it, with its keypoints, to the stored square."""
    if isinstance(entry, Rejection):
        return entry
    try:
        picture = _picture(entry)
        height, width = picture.pixels.shape[:2]
        placement = place(_cut(entry, width, height), side, mirrored=entry.mirrored)
        keypoints_px, visible = place_label(entry.label, placement, (width, height), num_keypoints)
    except Refusal as refusal:
        return Rejection(entry.origin, str(refusal))
    except OSError as error:
        return Rejection(entry.origin, error.strerror or "cannot be read")
    return StoredPicture(entry, _encode(picture, placement, quality), keypoints_px, visible)


def _picture(record: Record) -> Picture:
    if isinstance(record.image, Path):
        return read_picture(record.image, upright=record.label is None)
    return Picture(record.image, encoded=None)


def _cut(record: Record, width: int, height: int) -> Cut:
    if record.person is None:
        return Cut(0, 0, width, height)
    try:
        return scale_box(record.person.corners, record.person.factor, width, height)
    except ValueError as error:
        raise Refusal(str(error)) from None


def _encode(picture: Picture, placement: Placement, quality: int) -> bytes:
    """Bytes to store: the file's own where it already is the square, else one JPEG encoding."""
    side = placement.side
    unmoved = picture.pixels.shape[:2] == (side, side) and placement == place(Cut(0, 0, side, side), side)
    if picture.encoded is not None and unmoved:
        return picture.encoded
    return encode_jpeg(move_image(picture.pixels, placement), quality)


def place_label(
    label: Label | None, placement: Placement, size: tuple[int, int], num_keypoints: int
) -> tuple[np.ndarray, np.ndarray]:
    """(K, 2) float32 keypoints in the stored square and (K,) visibility; all NaN without a label.

    A keypoint outside the cut keeps its place but is not visible.

    Raises:
        Refusal: a coordinate is not finite or farther outside than the image is large, or none is visible.
    """
    if label is None:
        return np.full((num_keypoints, 2), np.nan, np.float32), np.zeros(num_keypoints, dtype=bool)
    points = label.keypoints_orig[label.annotated]
    if not np.isfinite(points).all():
        raise Refusal("a keypoint is not a finite number")
    if ((points < np.negative(size)) | (points > 2 * np.array(size))).any():
        raise Refusal("a keypoint lies farther outside the image than the image is large")
    visible = label.visible & inside(label.keypoints_orig, placement.cut)
    if not visible.any():
        raise Refusal("no keypoint is visible")
    keypoints_px = move_points(label.keypoints_orig, placement)
    keypoints_px[~label.annotated] = np.nan
    return keypoints_px.astype(np.float32), visible


def check_share(ledger: Ledger, allowed: float, rejected_path: Path) -> None:
    """Raise a UserError, and leave the list of reasons, where too many inputs are refused."""
    faults = [rejection for rejection in ledger.rejected if rejection.fault]
    total = ledger.num_pictures + len(faults)
    if len(faults) > allowed * total:
        write_rejected(rejected_path, ledger.rejected)
        raise UserError(
            f"{len(faults)} of {total} inputs rejected, above ingest.max_rejected_fraction = {allowed:g}; "
            f"all are listed in {rejected_path}; first: {faults[0].path}: {faults[0].reason}"
        )


def check_splits(ledger: Ledger, corpus: Corpus) -> None:
    """Raise a UserError where train or test has no sample."""
    found = set(ledger.splits.values())
    for split in ("train", "test"):
        if split not in found:
            raise UserError(f"{corpus.root}: split {split!r} of corpus {corpus.corpus} has no sample")


def write_samples(path: Path, ledger: Ledger, corpus: str, num_keypoints: int) -> None:
    """Write accepted samples, ordered by (split, sample_id)."""
    ids, splits = list(ledger.splits), list(ledger.splits.values())
    order = sorted(range(len(ids)), key=lambda entry: (SPLITS.index(splits[entry]), ids[entry]))
    schema = samples_schema(num_keypoints)
    columns = {
        "sample_id": [ids[entry] for entry in order],
        "split": [splits[entry] for entry in order],
        "corpus": [corpus] * len(order),
        "image_row": np.array(ledger.image_rows)[order],
        "keypoints": np.frombuffer(ledger.keypoints_px, np.float32).reshape(-1, num_keypoints, 2)[order],
        "visible": np.frombuffer(ledger.visible, bool).reshape(-1, num_keypoints)[order],
    }
    write_table(path, make_table(schema, columns), schema)


def write_rejected(path: Path, rejected: list[Rejection]) -> None:
    """Write refused inputs, ordered by path."""
    rows = sorted((one_line(rejection.path), one_line(rejection.reason)) for rejection in rejected)
    columns = {"path": [path for path, _ in rows], "reason": [reason for _, reason in rows]}
    write_table(path, make_table(REJECTED, columns), REJECTED)
