"""Find the keypoints of people (or hands) in pictures and videos with a trained model.

Writes keypoints.json (COCO's keypoint format), keypoints.parquet and overlays/, the skeleton drawn on every
picture: the person's right orange, the left blue. Each picture is taken to show one person who fills it, as
the training images do; where there are several, name their boxes with --boxes.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from actupose.errors import UserError, one_line
from actupose.progress import progress
from pipelines import _model_place

if TYPE_CHECKING:
    from actupose.inference.predict import Outcome
    from actupose.inference.sources import Source


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "images",
        nargs="+",
        type=Path,
        metavar="IMAGES",
        help="pictures, videos (mp4, avi, mov), or folders of them",
    )
    parser.add_argument("--model", required=True, metavar="PLACE", help=_model_place.HELP)
    parser.add_argument(
        "--boxes",
        type=Path,
        metavar="FILE",
        help="COCO json whose annotations' bbox are the people; file_name is relative to the folder given; "
        "pictures without a box show nobody; boxes are in pixels of the file, its EXIF turn is ignored",
    )
    parser.add_argument(
        "--output", type=Path, default=Path("predictions"), metavar="FOLDER", help="default: %(default)s"
    )
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument(
        "--min-confidence",
        type=float,
        default=0.3,
        metavar="C",
        help="keypoints below it are drawn thin and flagged 1 (hidden) in the json; default: %(default)s",
    )
    parser.add_argument(
        "--batch-size",
        type=int,
        default=64,
        metavar="N",
        help="people at once on the device; default: %(default)s",
    )
    parser.add_argument("--no-overlays", action="store_true", help="draw nothing")


def run(arguments: argparse.Namespace) -> int:
    """Predict, and print what was found and where it is."""
    from actupose.inference.boxes import read_boxes  # --help needs no torch
    from actupose.inference.predict import OVERLAYS, PredictOptions, check_output, predict_files
    from actupose.inference.predictor import Predictor
    from actupose.inference.sources import find_sources

    options = PredictOptions(arguments.batch_size, arguments.min_confidence, not arguments.no_overlays)
    check_output(arguments.output)
    sources = find_sources(arguments.images, leave_out=arguments.output / OVERLAYS)
    _check_boxable(sources, arguments.boxes)
    boxes = read_boxes(arguments.boxes, {source.name for source in sources}) if arguments.boxes else None
    predictor = Predictor.load(_model_place.model_folder(arguments.model), arguments.device)
    start = time.perf_counter()
    with progress("predict", sum(source.num_frames for source in sources)) as advance:
        outcome = predict_files(predictor, sources, boxes, arguments.output, options, advance)
    _print_summary(outcome, len(sources), time.perf_counter() - start, arguments.output)
    return 0


def _check_boxable(sources: "list[Source]", boxes: Path | None) -> None:
    videos = [source.name for source in sources if source.is_video]
    if boxes and videos:
        raise UserError(f"--boxes are of pictures, {videos[0]} is a video; predict on it without")


def _print_summary(outcome: "Outcome", num_sources: int, seconds: float, output: Path) -> None:
    for rejection in outcome.refused:
        print(one_line(f"{rejection.path}: {rejection.reason}"), file=sys.stderr)
    num_pictures = len(outcome.found)
    sure = f", mean confidence {outcome.mean_confidence:.2f}" if outcome.num_people else ""
    speed = f"{num_pictures / seconds:.1f} pictures/s"
    print(f"{num_pictures} pictures, {outcome.num_people} people{sure}, {speed}")
    print(f"{output}: {', '.join(sorted(path.name for path in output.iterdir() if path.name[0] != '.'))}")
    if outcome.refused:
        print(f"{len(outcome.refused)} of {num_sources} files could not be read, or not to their end")
