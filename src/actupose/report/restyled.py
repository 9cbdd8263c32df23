"""What style transfer makes of the two domains' images."""

import numpy as np
import torch

from actupose.data.dataset import Domain
from actupose.methods._teaching import StyleParams, TeachingParams
from actupose.methods.mean_teacher import style_transfer
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
    style = _style(params)
    if style is None:
        return None
    transfer = style_transfer(style, load_style(folders.style) if style.kind == "adain" else None)
    source, target = (_images(folders, domain, params) for domain in ("source", "target"))
    with torch.no_grad():
        columns = {
            "source": source,
            "in the target's look": transfer(source, target, torch.ones(())),
            "target": target,
            "in the source's look": transfer(target, source, torch.ones(())),
        }
    return {name: _bytes(images) for name, images in columns.items()}


def _style(params: Params) -> StyleParams | None:
    """Of the first trained method that restyles images."""
    methods = (params.methods[name] for name in params.train.methods)
    styles = (method.style for method in methods if isinstance(method, TeachingParams))
    return next((style for style in styles if style.kind != "none"), None)


def _images(folders: Folders, domain: str, params: Params) -> torch.Tensor:
    """Images spread evenly over the training split: (N, 3, S, S) in 0..1."""
    opened = Domain(folders.ingested / domain, SKELETONS[params.data.skeleton], labels=False)
    images = opened.images("train")
    places = torch.linspace(0, len(images) - 1, EXAMPLES).long()
    return next(images.batches([places], workers=0)).images.float() / 255


def _bytes(images: torch.Tensor) -> np.ndarray:
    return (255 * images).round().byte().permute(0, 2, 3, 1).numpy()
