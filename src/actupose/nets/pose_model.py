"""A trained pose network on disk (weights and all that is needed to use them) and its predictions."""

from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from pydantic import ValidationError, model_validator
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from actupose.core.affine import scale_matrix, transform_points
from actupose.core.heatmap import decode, heatmaps_from_output, peak_cells
from actupose.errors import UserError
from actupose.files import atomic_path
from actupose.nets.pose_resnet import PoseResNet
from actupose.nets.weight_file import write_weights
from actupose.params import HeatmapParams, NetworkParams, Settings, describe
from actupose.skeleton import SKELETONS, SkeletonName

MIN_PEAK = 0.05  # METHODS 3


def mean_peaks(confidence: Float[Tensor, "B K"]) -> Float[Tensor, "B"]:
    """Mean over keypoints of peaks, each clamped to [0.05, 1]: what re-ranks (P2 3.1.2)."""
    return confidence.clamp(MIN_PEAK, 1).mean(dim=1)


def is_sure(confidence: Float[Tensor, "B K"]) -> Bool[Tensor, "B"]:
    """Of which half of a set's images a model is surest: mean peaks that reach their median."""
    peaks = mean_peaks(confidence)
    return peaks >= peaks.median()


CellPlace = Literal["centre", "corner"]


class ModelInfo(Settings):
    """Contents of ``model.json``: architecture, skeleton, image size and how heat maps are read.

    ``cell`` is the place in the image that a heat map's cell stands for: its ``centre``, or its ``corner``,
    as for the public code of UDAPE and RegDA.
    """

    skeleton: SkeletonName
    image_size: int
    network: NetworkParams
    heatmap: HeatmapParams
    cell: CellPlace = "centre"  # a model saved before there was a choice

    @model_validator(mode="before")
    @classmethod
    def _read_format_before(cls, tree: Any) -> Any:  # noqa: ANN401 - whatever the JSON holds
        """A model once named the arithmetic of its training, which settled how its maps are read."""
        if not isinstance(tree, dict) or "fidelity" not in tree:
            return tree
        rest = {key: value for key, value in tree.items() if key != "fidelity"}
        match tree["fidelity"], rest.get("heatmap"):
            case "corrected", _:
                return rest
            case "reference", dict(heatmap):
                return rest | {"cell": "corner", "heatmap": {**heatmap, "decode": "argmax"}}
            case "reference", _:
                return rest  # its field has the complaint
            case fidelity, _:
                raise ValueError(f"fidelity = {fidelity!r}: Input should be 'corrected' or 'reference'")


class Prediction(NamedTuple):
    """Keypoints in pixels of the network's input, confidence, arg-max cell."""

    keypoints: Float[Tensor, "B K 2"]
    confidence: Float[Tensor, "B K"]
    cell: Int64[Tensor, "B K"]


class PoseModel(nn.Module):
    """Network and decoding in one: images, RGB in 0..1, to keypoints.

    ``bf16`` runs the network under autocast, as training may; decoding is in 32 bit.
    """

    def __init__(self, network: nn.Module, info: ModelInfo, *, bf16: bool = False) -> None:
        super().__init__()
        self.network = network
        self.info = info
        self.bf16 = bf16

    def forward(self, images: Float[Tensor, "B 3 S S"]) -> Prediction:
        """Predictions for a batch of images of the model's own size."""
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.bf16):
            raw = self.network(images).heatmaps
        return predictions_from_output(raw, images.shape[-1], self.info.heatmap, self.info.cell)


def predictions_from_output(
    raw: Float[Tensor, "B K h w"], image_size: int, heatmap: HeatmapParams, cell: CellPlace = "centre"
) -> Prediction:
    """Decode raw network output of square images ``image_size`` pixels wide."""
    heatmaps = heatmaps_from_output(raw, heatmap.loss, heatmap.sigma)
    keypoints_hm, confidence = decode(heatmaps, heatmap.decode)
    if cell == "corner":
        keypoints_px = keypoints_hm * (image_size / raw.shape[-1])
    else:
        keypoints_px = transform_points(keypoints_hm, scale_matrix(raw.shape[-1], image_size, raw.device))
    return Prediction(keypoints_px, confidence, peak_cells(heatmaps))


def save_model(folder: Path, network: PoseResNet, info: ModelInfo) -> None:
    """Write ``model.safetensors`` and ``model.json``."""
    write_weights(folder / "model.safetensors", network)
    with atomic_path(folder / "model.json") as path:
        path.write_text(info.model_dump_json(indent=2) + "\n")


def load_model(folder: Path) -> PoseModel:
    """Read what :func:`save_model` wrote, ready to predict.

    Raises:
        UserError: a file is missing, damaged, or does not fit the other.
    """
    try:
        info = ModelInfo.model_validate_json((folder / "model.json").read_text())
        random_weights = info.network.model_copy(update={"pretrained": None})
        network = PoseResNet(len(SKELETONS[info.skeleton]), random_weights)
        network.load_state_dict(load((folder / "model.safetensors").read_bytes()))
    except FileNotFoundError as error:
        raise UserError(f"{error.filename}: no such file; run the train stage (dvc repro)") from None
    except ValidationError as error:
        raise UserError(f"{folder}: not a usable model: model.json: {describe(error)}") from None
    except (OSError, ValueError, SafetensorError) as error:
        raise UserError(f"{folder}: not a usable model: {str(error).splitlines()[0]}") from None
    except RuntimeError:  # torch lists every name
        raise UserError(f"{folder}: not a usable model: its weights are not of its model.json") from None
    return PoseModel(network, info).eval()


@torch.no_grad()
def predict_batch(model: nn.Module, images: UInt8[Tensor, "B 3 S S"]) -> Prediction:
    """Predictions on the CPU for images on any device; the model is put in eval mode."""
    model.eval()
    prediction: Prediction = model(images.float() / 255)
    return Prediction(*(part.cpu() for part in prediction))
