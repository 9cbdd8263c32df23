"""Pretrained weights by name, from a file or from the hub, and the colours they expect."""

import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from safetensors.torch import load_file
from torch import Tensor, nn

from actupose.errors import UserError

Colour = tuple[float, float, float]

IMAGE_MEAN = (0.485, 0.456, 0.406)  # of ImageNet's RGB in 0..1
IMAGE_STD = (0.229, 0.224, 0.225)


def read_weights(name: str, key: str) -> dict[str, Tensor]:
    """Weights of a file (safetensors, or a torch file read without executing anything) or of a hub id.

    Args:
        name: path of a file, or the hub id of a repository with a ``model.safetensors``.
        key: of the setting that names it, for the error.

    Raises:
        UserError: it cannot be found or read, or holds no weights by name.
    """
    origin = f"{key} = {name!r}"
    try:
        path = Path(name) if Path(name).exists() else Path(hf_hub_download(name, "model.safetensors"))
        if path.suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings(action="ignore"):  # a warning would be a second line
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (HfHubHTTPError, HFValidationError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"{origin}: no such file, and not on the hub: {reason}") from None
    except Exception as error:  # the readers raise anything on what they did not write
        raise UserError(f"{origin}: cannot be read ({type(error).__name__})") from None
    if not isinstance(state, dict):
        raise UserError(f"{origin}: holds no weights by name")
    return {name: value for name, value in state.items() if isinstance(value, Tensor)}


def load_renamed(net: nn.Module, name: str, own_name: Callable[[str], str], kind: str) -> None:
    """Load the pose network's pretrained weights, whose names another library chose; what is over is left.

    Args:
        net: gets them.
        name: as :func:`read_weights` takes it.
        own_name: what ``net`` calls a weight of the file.
        kind: what ``net`` is, for the error.

    Raises:
        UserError: they cannot be read, or are another network's.
    """
    found = {own_name(key): value for key, value in read_weights(name, "network.pretrained").items()}
    wanted = net.state_dict()
    counters = {key for key in wanted if key.endswith("num_batches_tracked")}  # not in every file
    unfit = [
        key for key in wanted.keys() - counters if key not in found or found[key].shape != wanted[key].shape
    ]
    if unfit:
        raise UserError(
            f"network.pretrained = {name!r}: not {kind}: "
            f"{len(unfit)} of {len(wanted) - len(counters)} weights are missing or of another shape"
        )
    net.load_state_dict({key: found.get(key, value) for key, value in wanted.items()})
