"""People in a stream of pictures and video frames: read, predicted in batches, handed on in order."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby

import numpy as np

from actupose.data.corpora.pictures import read_picture
from actupose.data.corpora.records import Refusal, Rejection
from actupose.data.ingest import map_ordered
from actupose.inference.predictor import Predictor
from actupose.inference.sources import Source
from actupose.inference.video import read_video

HELD_PIXELS = 50_000_000  # of pictures that wait for their batch to be full: 150 MB
_LOST_SHARE = 0.02  # a container may announce a few frames that its streams do not show

Boxes = Mapping[str, np.ndarray]
Refuse = Callable[[Rejection], None]


@dataclass(frozen=True)
class Frame:
    """Pixels (H, W, 3) of a picture or of one frame of a video, and its people's boxes (P, 4)."""

    source: Source
    number: int
    pixels: np.ndarray
    boxes: np.ndarray | None

    @property
    def num_people(self) -> int:
        """One, filling the picture, where no boxes are known."""
        return 1 if self.boxes is None else len(self.boxes)


@dataclass(frozen=True)
class People:
    """People of one frame, in pixels of its picture.

    Attributes:
        boxes: (P, 4) x, y, width, height; without known boxes that of the whole picture.
        keypoints: (P, K, 2) float32.
        confidence: (P, K) float32.
    """

    image: str
    frame: int
    size: tuple[int, int]
    boxes: np.ndarray
    keypoints: np.ndarray
    confidence: np.ndarray


def read_frames(sources: Sequence[Source], boxes: Boxes | None, refuse: Refuse) -> Iterator[Frame]:
    """Frames of all sources in order; what cannot be read, and a video cut short, is passed to ``refuse``."""
    for is_video, group in groupby(sources, key=lambda source: source.is_video):
        if is_video:
            for source in group:
                yield from _video_frames(source, refuse)
            continue
        for entry in map_ordered(partial(_picture_frame, boxes=boxes), group):
            if isinstance(entry, Rejection):
                refuse(entry)
            else:
                yield entry


def predict_people(
    predictor: Predictor, frames: Iterable[Frame], batch_size: int
) -> Iterator[tuple[Frame, People]]:
    """People of every frame, in order and in bounded memory."""
    held: list[Frame] = []
    for frame in frames:
        held.append(frame)
        num_people = sum(one.num_people for one in held)
        if num_people >= batch_size or sum(one.pixels.size for one in held) >= 3 * HELD_PIXELS:
            yield from _predict_held(predictor, held, batch_size)
            held = []
    yield from _predict_held(predictor, held, batch_size)


def _predict_held(
    predictor: Predictor, held: Sequence[Frame], batch_size: int
) -> Iterator[tuple[Frame, People]]:
    images = [frame.pixels for frame in held for _ in range(frame.num_people)]
    known = [frame.boxes for frame in held if frame.boxes is not None]
    found = predictor.predict(images, np.concatenate(known) if known else None, batch_size=batch_size)
    start = 0
    for frame in held:
        part = slice(start, start + frame.num_people)
        height, width = frame.pixels.shape[:2]
        boxes = np.array([[0, 0, width, height]], float) if frame.boxes is None else frame.boxes
        keypoints, confidence = found.keypoints[part], found.confidence[part]
        yield frame, People(frame.source.name, frame.number, (width, height), boxes, keypoints, confidence)
        start = part.stop


def _picture_frame(source: Source, boxes: Boxes | None) -> Frame | Rejection:
    """Decode as ingest does: boxes are in the file's own pixels, a picture without is turned upright."""
    try:
        pixels = read_picture(source.path, upright=boxes is None).pixels
        own = None if boxes is None else boxes[source.name]
        _check_inside(own, pixels)
    except Refusal as refusal:
        return Rejection(source.name, str(refusal))
    except OSError as error:
        return Rejection(source.name, error.strerror or "cannot be read")
    return Frame(source, 0, pixels, own)


def _check_inside(boxes: np.ndarray | None, pixels: np.ndarray) -> None:
    height, width = pixels.shape[:2]
    for x, y, box_width, box_height in boxes if boxes is not None else ():
        if x >= width or y >= height or x + box_width <= 0 or y + box_height <= 0:
            box = f"{x:g}, {y:g}, {box_width:g}, {box_height:g}"
            raise Refusal(f"box {box} lies outside the picture, {width} x {height}")


def _video_frames(source: Source, refuse: Refuse) -> Iterator[Frame]:
    count = 0
    for pixels in read_video(source.path):
        yield Frame(source, count, pixels, None)
        count += 1
    if count < (1 - _LOST_SHARE) * source.num_frames or count == 0:
        refuse(Rejection(source.name, f"{count} of {source.num_frames} frames could be read"))
