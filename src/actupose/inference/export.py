"""A trained model as one ONNX file, decoding included, compared with torch before it is kept."""

import json
import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from actupose.data.figures import render_figures
from actupose.errors import UserError
from actupose.files import atomic_path
from actupose.inference.predictor import CROP_SCALE
from actupose.nets.pose_model import PoseModel
from actupose.skeleton import SKELETONS

KEYPOINT_TOLERANCE = 0.01  # pixels of the network's input
CONFIDENCE_TOLERANCE = 1e-3
BATCH_SIZES = (1, 5)
_NEEDED = ("onnx", "onnxscript", "onnxruntime")
_POSE_MIX = (0.4, 0.3, 0.3)

Run = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Difference:
    """The largest between ONNX Runtime and torch on one batch: keypoints in pixels, confidence."""

    images: str
    batch_size: int
    keypoints: float
    confidence: float

    @property
    def is_small(self) -> bool:
        """Within the tolerances; a NaN is not."""
        return self.keypoints <= KEYPOINT_TOLERANCE and self.confidence <= CONFIDENCE_TOLERANCE


class MismatchError(Exception):
    """What was exported computes something else than the model.

    So may a model without a clear peak: where two cells are equal but for rounding, either is the highest.
    """

    def __init__(self, differences: list[Difference]) -> None:
        super().__init__("the exported model differs from torch")
        self.differences = differences


class _Outputs(nn.Module):
    """Keypoints and confidence alone."""

    def __init__(self, model: PoseModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        prediction = self.model(images)
        return prediction.keypoints, prediction.confidence


def export_model(model: PoseModel, path: Path) -> list[Difference]:
    """Write ``path``: images (B, 3, S, S) float32 RGB in 0..1 -> keypoints (B, K, 2), confidence (B, K).

    Keypoints are in pixels of those images. How a picture becomes one, and what the keypoints are, is in the
    file's metadata.

    Returns:
        The differences from torch that were found on noise and on rendered pictures.

    Raises:
        UserError: the packages of the extra ``export`` are missing.
        MismatchError: a difference is beyond its tolerance; nothing is written.
    """
    if missing := [name for name in _NEEDED if find_spec(name) is None]:
        raise UserError(f'no {", ".join(missing)} here: pip install -e ".[export]"')
    served = _Outputs(model).eval()
    with atomic_path(path) as temporary:
        _write(served, model, temporary)
        differences = compare(served, _session(temporary), _batches(model))
        if not all(difference.is_small for difference in differences):
            raise MismatchError(differences)
    return differences


def _write(served: nn.Module, model: PoseModel, path: Path) -> None:
    side = model.info.image_size
    noisy = logging.getLogger("torch.onnx")
    level = noisy.level
    noisy.setLevel(logging.ERROR)  # it warns of torchvision's operators, which no model here has
    try:
        with warnings.catch_warnings(action="ignore"):
            program = torch.onnx.export(
                served,
                (torch.zeros(2, 3, side, side),),
                dynamo=True,
                verbose=False,
                input_names=["images"],
                output_names=["keypoints", "confidence"],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
            )
    finally:
        noisy.setLevel(level)
    if program is None:
        raise RuntimeError("torch exported no program")
    program.model.metadata_props.update(describe_model(model))
    program.save(str(path), external_data=False)


def describe_model(model: PoseModel) -> dict[str, str]:
    """Metadata of the file: all that is needed to use it; values are text or JSON."""
    skeleton = SKELETONS[model.info.skeleton]
    side = model.info.image_size
    preprocessing = {
        "channels": "RGB",
        "range": [0, 1],
        "layout": "NCHW",
        "normalisation": "in the graph",
        "whole_picture": f"fit into {side} x {side}, centred, black borders",
        "person": f"square of {CROP_SCALE:g} x the box's longer side, kept inside the picture",
        "resampling": "area where it shrinks, else bilinear",
    }
    return {
        "skeleton": skeleton.name,
        "keypoints": json.dumps(skeleton.keypoints),
        "bones": json.dumps(skeleton.bones),
        "image_size": str(side),
        "coordinates": "pixels of the input; the centre of the top-left pixel is (0, 0)",
        "preprocessing": json.dumps(preprocessing),
    }


def _session(path: Path) -> Run:
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    onnxruntime.set_default_logger_severity(3)  # errors alone
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def run(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        keypoints, confidence = session.run(["keypoints", "confidence"], {"images": images})
        return keypoints, confidence

    return run


def _batches(model: PoseModel) -> dict[str, np.ndarray]:
    """Noise and rendered pictures, (B, 3, S, S) float32 each, of which batches are the first few."""
    side, count = model.info.image_size, max(BATCH_SIZES)
    noise = np.random.default_rng(0).random((count, 3, side, side), dtype=np.float32)
    figures = render_figures(0, "export", range(count), "photo", _POSE_MIX, side, model.info.skeleton)
    pictures = np.ascontiguousarray(figures.images.transpose(0, 3, 1, 2), np.float32) / 255
    return {"noise": noise, "rendered pictures": pictures}


@torch.no_grad()
def compare(served: nn.Module, run: Run, images: dict[str, np.ndarray]) -> list[Difference]:
    """Largest differences between ``run`` and torch, for each kind of image and batch size."""
    differences = []
    for kind, pixels in images.items():
        for size in BATCH_SIZES:
            batch = pixels[:size]
            expected = [part.numpy() for part in served(torch.from_numpy(batch))]
            worst = [float(abs(a - b).max()) for a, b in zip(run(batch), expected, strict=True)]
            differences.append(Difference(kind, size, *worst))
    return differences
