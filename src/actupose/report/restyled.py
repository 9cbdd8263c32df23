"""What style transfer makes of the two domains' images."""

import numpy as np
import torch

from actupose.data.dataset import Domain
from actupose.methods.style_transfer import StyleTransfer
from actupose.params import Params
from actupose.report.read import Folders
from actupose.skeleton import SKELETONS
from actupose.training.style_training import load_style

EXAMPLES = 4


def restyled_examples(folders: Folders, params: Params) -> dict[str, np.ndarray] | None:
    """Training images of both domains and what they become at full weight; None without style transfer.

    Returns:
        For each column's heading (N, S, S, 3) uint8.
    """
    if params.style.kind == "none":
        return None
    net = load_style(folders.style) if params.style.kind == "adain" else None
    transfer = StyleTransfer(params.style, 0, net).transfer
    source, target = (_images(folders, domain, params) for domain in ("source", "target"))
    with torch.no_grad():
        columns = {
            "source": source,
            "in the target's look": transfer(source, target, 1.0),
            "target": target,
            "in the source's look": transfer(target, source, 1.0),
        }
    return {name: _bytes(images) for name, images in columns.items()}


def _images(folders: Folders, domain: str, params: Params) -> torch.Tensor:
    """Images spread evenly over the training split: (N, 3, S, S) in 0..1."""
    opened = Domain(folders.ingested / domain, SKELETONS[params.data.skeleton], labels=False)
    images = opened.images("train")
    places = torch.linspace(0, len(images) - 1, EXAMPLES).long()
    return next(images.batches([places], workers=0)).images.float() / 255


def _bytes(images: torch.Tensor) -> np.ndarray:
    return (255 * images).round().byte().permute(0, 2, 3, 1).numpy()
