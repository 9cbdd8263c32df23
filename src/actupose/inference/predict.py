"""From the files a user names to a folder of keypoints and overlays."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from actupose.data.corpora.records import Rejection
from actupose.errors import UserError
from actupose.inference.overlay import OverlayFolder
from actupose.inference.people import Boxes, People, predict_people, read_frames
from actupose.inference.predictor import Predictor
from actupose.inference.results import people_table, write_coco
from actupose.inference.sources import Source
from actupose.tables import people_schema, write_table

TABLE, COCO, OVERLAYS = "keypoints.parquet", "keypoints.json", "overlays"


@dataclass(frozen=True)
class PredictOptions:
    """How it is predicted, and what is written.

    Attributes:
        min_confidence: a keypoint below it is drawn thin and flagged as hidden.
        overlays: whether pictures are drawn.
    """

    batch_size: int
    min_confidence: float
    overlays: bool

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise UserError(f"--batch-size {self.batch_size}: a whole number above 0")
        if not 0 <= self.min_confidence <= 1:
            raise UserError(f"--min-confidence {self.min_confidence}: a number between 0 and 1")


@dataclass(frozen=True)
class Outcome:
    """People of every frame that was read, and what was not."""

    found: list[People]
    refused: list[Rejection]

    @property
    def num_people(self) -> int:
        """People in all frames."""
        return sum(len(people.boxes) for people in self.found)

    @property
    def mean_confidence(self) -> float:
        """Mean over all keypoints; NaN without people."""
        values = np.concatenate([people.confidence.ravel() for people in self.found])
        return float(values.mean()) if len(values) else float("nan")


def predict_files(
    predictor: Predictor,
    sources: Sequence[Source],
    boxes: Boxes | None,
    output: Path,
    options: PredictOptions,
    advance: Callable[[int], None],
) -> Outcome:
    """Write ``keypoints.json``, ``keypoints.parquet`` and ``overlays/`` below ``output``, all at the end.

    Args:
        predictor: the model.
        sources: pictures and videos.
        boxes: people of each picture by its name; None: one person that fills it.
        output: a folder; what an earlier prediction left there is replaced.
        options: how it is predicted, and what is written.
        advance: told after every picture or frame how many are done.

    Raises:
        UserError: nothing could be read, or ``output`` holds overlays of another origin.
    """
    found: list[People] = []
    refused: list[Rejection] = []

    def refuse(rejection: Rejection) -> None:
        refused.append(rejection)
        advance(len(found) + len(refused))

    with (
        _filled(output) as folder,
        OverlayFolder(folder / OVERLAYS, predictor.skeleton, options.min_confidence) as overlays,
    ):
        frames = read_frames(sources, boxes, refuse)
        for frame, people in predict_people(predictor, frames, options.batch_size):
            found.append(people)
            if options.overlays:
                overlays.add(frame, people)
            advance(len(found) + len(refused))
        if not found:
            raise UserError(_nothing_read(refused))
        write_coco(folder / COCO, found, predictor.skeleton, options.min_confidence)
        table = people_table(found, predictor.skeleton)
        write_table(folder / TABLE, table, people_schema(len(predictor.skeleton)))
    return Outcome(found, refused)


def _nothing_read(refused: Sequence[Rejection]) -> str:
    first = f"{refused[0].path}: {refused[0].reason}"
    return first if len(refused) == 1 else f"none of {len(refused)} files could be read; first: {first}"


@contextmanager
def _filled(output: Path) -> Iterator[Path]:
    """A temporary folder whose entries take their places in ``output`` when the block ends well."""
    check_output(output)
    is_new = not output.exists()
    temporary = output / f".{os.getpid()}.tmp"  # within it: output may be a mounted volume
    try:
        temporary.mkdir(parents=True)
    except OSError as error:
        raise UserError(f"{output}: {error.strerror}; name another folder") from None
    try:
        yield temporary
        for name in (COCO, OVERLAYS, TABLE):
            _replace(temporary / name, output / name)
        is_new = False
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if is_new:
            output.rmdir()


def check_output(output: Path) -> None:
    """Raise a UserError where writing to ``output`` would destroy what no prediction has written."""
    if output.exists() and not output.is_dir():
        raise UserError(f"{output}: is a file, not a folder")
    if (output / OVERLAYS).exists() and not (output / COCO).exists():
        raise UserError(f"{output / OVERLAYS}: is there, and not from a prediction; name another folder")


def _replace(new: Path, old: Path) -> None:
    if old.is_dir():
        shutil.rmtree(old)
    if new.exists():
        new.replace(old)
