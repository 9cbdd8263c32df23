"""What a training step costs beside its own passes through the networks.

    python benchmarks/step.py --preset surreal2lsp-small --method udape

The floor is the same passes in plain PyTorch on ready tensors: forward and backward of the student on both
domains, forward of the teacher, the optimiser. Steps and floors take turns in one run; the ratio of their
medians is what counts. On a GPU the device is waited for after each.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
import yaml
from torch import Tensor

from actupose.methods.settings import TrainingSettings
from actupose.methods.supervised import LabelledBatch, Supervised
from actupose.methods.trainer import METHODS
from actupose.params import ComputeParams, check_params

PRESETS = Path(__file__).parents[1] / "presets"


def settings_of(arguments: argparse.Namespace) -> tuple[TrainingSettings, ComputeParams]:
    """Settings of the preset (or of the demo), adapting from the first step."""
    path = PRESETS / f"{arguments.preset}.yaml" if arguments.preset else PRESETS.parent / "params.yaml"
    tree = yaml.safe_load(path.read_text())
    tree["schedule"]["pretrain_epochs"] = 0
    tree["compute"]["device"] = arguments.device
    params = check_params(tree, str(path))
    return TrainingSettings.of(params, arguments.method, 0), params.compute


def make_step(method: Supervised, settings: TrainingSettings) -> Callable[[int], None]:
    """A whole training step on one batch of random images."""
    side, size = settings.image_size, settings.schedule.batch_size
    random = torch.Generator().manual_seed(0)
    draw = [torch.randint(0, 256, (size, 3, side, side), generator=random).byte() for _ in range(2)]
    source, target = (images.to(method.device) for images in draw)
    keypoints = torch.rand(size, len(settings.skeleton), 2, generator=random) * side
    visible = torch.ones(keypoints.shape[:2], dtype=torch.bool)
    batch = LabelledBatch(source, keypoints.to(method.device), visible.to(method.device))
    return lambda step: method.train_step(step, batch, target if method.wants_target(step) else None)


def make_floor(method: Supervised, settings: TrainingSettings) -> Callable[[int], None]:
    """Only the passes, the sum of the heat maps as the loss."""
    side, size = settings.image_size, settings.schedule.batch_size
    images = torch.rand(size, 3, side, side, device=method.device)
    if settings.method.adaptation == "mean_teacher":
        teacher = method.teacher.network
    student = method.student

    def passes(_step: int) -> None:
        loss: Tensor = student.network(images).heatmaps.float().mean()
        if method.adapts:
            loss = loss + student.network(images).heatmaps.float().mean()
        if settings.method.adaptation == "mean_teacher":
            with torch.no_grad():
                teacher(images)
        student.optimise(loss)

    return passes


def seconds(work: Callable[[int], None], step: int, device: torch.device) -> float:
    """Of one call, the device's work included."""
    began = time.perf_counter()
    work(step)
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def main() -> None:
    """Take turns and print medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", help="file in presets/; default: params.yaml")
    parser.add_argument("--method", default="udape")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--profile", action="store_true", help="print where the step's time goes")
    arguments = parser.parse_args()
    settings, compute = settings_of(arguments)
    method = METHODS[settings.method.adaptation](settings, compute)
    method.train()
    step, floor = make_step(method, settings), make_floor(method, settings)
    for number in range(3):
        step(number), floor(number)
    if arguments.profile:
        with torch.profiler.profile() as profile:
            for number in range(5):
                step(number)
        print(profile.key_averages().table(sort_by="self_cpu_time_total", row_limit=25))
    pairs = [
        (seconds(step, n, method.device), seconds(floor, n, method.device)) for n in range(arguments.steps)
    ]
    whole, passes = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(
        f"{arguments.preset or 'params.yaml'} {arguments.method}: step {1000 * whole:.1f} ms, its passes "
        f"{1000 * passes:.1f} ms, ratio {whole / passes:.3f}"
    )


if __name__ == "__main__":
    main()
