"""Train the style net of AdaIN on training images of both domains; other kinds of style need none."""

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
    if params.style.kind != "adain":
        _write_placeholder(STYLE, params.style.kind)
        return
    history = _train(params)
    print(f"{STYLE}: " + ", ".join(f"{name} {value:.4f}" for name, value in history[-1].items()))


def _train(params: Params) -> list[dict[str, float]]:
    skeleton, settings = SKELETONS[params.data.skeleton], params.style.adain
    source, target = (
        Domain(INGESTED / domain, skeleton, labels=False).images("train") for domain in ("source", "target")
    )
    device = torch.device(pick_device(params.compute.device))
    with progress("style net", settings.steps) as advance:
        net, history = train_style(source, target, settings, device, advance)
    save_style(STYLE, net, settings, history)
    return history


def _write_placeholder(folder: Path, kind: str) -> None:
    """DVC wants an output."""
    with atomic_path(folder / "README.txt") as path:
        path.write_text(f"style.kind = {kind} needs no trained net\n")
    print(f"{folder}: nothing to train for style.kind = {kind}")


if __name__ == "__main__":
    run_stage(main)
