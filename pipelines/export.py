"""Write a trained model as an ONNX file, and compare it with torch.

Images (B, 3, S, S), RGB in 0..1, become keypoints (B, K, 2), in pixels of those images, and confidence
(B, K); B is free. Skeleton, image size and preprocessing are in the file's metadata. It is run with ONNX
Runtime on noise and on rendered pictures; where it computes something else than torch, it is not kept and the
exit status is 1.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines import _model_place

if TYPE_CHECKING:
    from actupose.inference.export import Difference


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--model", required=True, metavar="PLACE", help=_model_place.HELP)
    parser.add_argument(
        "--output", type=Path, default=Path("model.onnx"), metavar="FILE", help="default: %(default)s"
    )


def run(arguments: argparse.Namespace) -> int:
    """Export, compare and print the differences; 1 if one is beyond its tolerance."""
    from actupose.inference.export import MismatchError, export_model  # --help needs no torch
    from actupose.nets.pose_model import load_model

    model = load_model(_model_place.model_folder(arguments.model))
    try:
        differences = export_model(model, arguments.output)
    except MismatchError as error:
        _print_summary(error.differences)
        print(f"error: {error} by more than is tolerated; {arguments.output} is not written", file=sys.stderr)
        return 1
    _print_summary(differences)
    print(f"{arguments.output}: {arguments.output.stat().st_size / 1e6:.1f} MB")
    return 0


def _print_summary(differences: "Sequence[Difference]") -> None:
    from actupose.inference.export import CONFIDENCE_TOLERANCE, KEYPOINT_TOLERANCE

    print(
        "largest differences between ONNX Runtime and torch "
        f"(tolerated: {KEYPOINT_TOLERANCE:g} px, {CONFIDENCE_TOLERANCE:g})"
    )
    for found in differences:
        print(
            f"  {found.images}, batch of {found.batch_size}: keypoints {found.keypoints:.1e} px, "
            f"confidence {found.confidence:.1e}"
        )
