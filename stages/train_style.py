"""Train the style net of AdaIN on training images of both domains, where ``style_net.train`` says so."""

import argparse
from pathlib import Path

import torch

from actupose.core.device import pick_device
from actupose.data.dataset import Domain
from actupose.files import atomic_path
from actupose.layout import INGESTED, PARAMS, STYLE
from actupose.params import Params, load_params
from actupose.progress import progress
from actupose.skeleton import SKELETONS
from actupose.training.style_training import save_style, train_style
from stages._entry import run_stage


def main() -> None:
    """Images of both domains -> models/style."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    params = load_params(PARAMS)
    if not params.style_net.train:
        _write_placeholder(STYLE)
        return
    history = _train(params)
    print(f"{STYLE}: " + ", ".join(f"{name} {value:.4f}" for name, value in history[-1].items()))


def _train(params: Params) -> list[dict[str, float]]:
    skeleton, settings = SKELETONS[params.data.skeleton], params.style_net
    source, target = (
        Domain(INGESTED / domain, skeleton, labels=False).images("train") for domain in ("source", "target")
    )
    device = torch.device(pick_device(params.compute.device))
    with progress("style net", settings.steps) as advance:
        net, history = train_style(source, target, settings, device, advance)
    save_style(STYLE, net, settings, history)
    return history


def _write_placeholder(folder: Path) -> None:
    """DVC wants an output."""
    with atomic_path(folder / "README.txt") as path:
        path.write_text("style_net.train: false\n")
    print(f"{folder}: style_net.train = false")


if __name__ == "__main__":
    run_stage(main)
