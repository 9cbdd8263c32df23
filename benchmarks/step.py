"""What a training step costs beside its own passes through the networks.

    python benchmarks/step.py --preset surreal2lsp-small --method udape

The floor is the same passes in plain PyTorch on ready tensors: forward and backward of the student on both
domains, forward of the teacher, the optimiser. Weights are random, which changes no time. With --compile the
same step with compiled networks is there as well. All take turns in one run; the ratios of their medians are
what counts. Beside them stands the arithmetic of the passes, and how fast a large matrix product goes here.
"""

import argparse
from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode
from turns import median_ms

from actupose.methods.supervised import LabelledBatch, Supervised
from actupose.nets.style_net import StyleNet, style_levels
from actupose.params import ComputeParams, check_params
from actupose.params.overlay import starting_tree
from actupose.params.run import TrainingSettings
from actupose.training.trainer import METHODS


def settings_of(arguments: argparse.Namespace) -> tuple[TrainingSettings, ComputeParams]:
    """Settings of the preset (or of the demo), adapting from the first step."""
    tree, path = starting_tree(arguments.preset)
    tree["schedule"]["pretrain_epochs"] = 0
    tree["network"]["pretrained"] = None
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


def tera_operations(work: Callable[[int], object]) -> float:
    """Floating-point operations of one call, in 10^12: convolutions and matrix products."""
    with FlopCounterMode(display=False) as counter:
        work(0)
    return float(counter.get_total_flops()) / 1e12


def make_matrix_product(method: Supervised, settings: TrainingSettings) -> Callable[[int], object]:
    """A product of square matrices in the precision of the passes: about what the device can reach."""
    dtype = torch.float32 if settings.precision == "32-true" else torch.bfloat16
    side = 2048 if method.device.type == "cpu" else 8192
    matrix = torch.rand(side, side, device=method.device).to(dtype)
    return lambda _round: matrix @ matrix


def make_method(settings: TrainingSettings, compute: ComputeParams, *, compiled: bool) -> Supervised:
    """The method, ready to train."""
    compute = compute.model_copy(update={"compile": compiled})
    method = METHODS[settings.method.adaptation](settings, compute, random_style_net(settings))
    method.train()
    return method


def random_style_net(settings: TrainingSettings) -> StyleNet | None:
    """A style net of the settings' architecture, where they want one."""
    if settings.style.kind != "adain":
        return None
    return StyleNet(style_levels(settings.style.adain)).eval().requires_grad_(False)


def print_profile(step: Callable[[int], None]) -> None:
    """Where the time of some steps goes."""
    with torch.profiler.profile() as profile:
        for number in range(5):
            step(number)
    print(profile.key_averages().table(sort_by="self_cpu_time_total", row_limit=25))


def main() -> None:
    """Take turns and print medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", help="name in presets/ or path; default: params.yaml")
    parser.add_argument("--method", default="udape")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--compile", action="store_true", help="time the step with compiled networks too")
    parser.add_argument("--profile", action="store_true", help="print where the step's time goes")
    arguments = parser.parse_args()
    settings, compute = settings_of(arguments)
    method = make_method(settings, compute, compiled=False)
    step = make_step(method, settings)
    floor, product = make_floor(method, settings), make_matrix_product(method, settings)
    works = [step, floor, product]
    if arguments.compile:
        works.append(make_step(make_method(settings, compute, compiled=True), settings))
    for number in range(3):
        for work in works:
            work(number)
    if arguments.profile:
        print_profile(step)
    whole, passes, matrix, *compiled = median_ms(works, arguments.steps, method.device)
    print(
        f"{arguments.preset or 'params.yaml'} {arguments.method}: step {whole:.1f} ms, its passes "
        f"{passes:.1f} ms, ratio {whole / passes:.3f}"
        + "".join(f"; compiled {ms:.1f} ms, {ms / whole:.2f} of the step" for ms in compiled)
    )
    done, possible = tera_operations(floor), tera_operations(product)
    print(
        f"the passes are {done:.3f} x 10^12 operations, {1000 * done / passes:.3f} x 10^12 a second; "
        f"a matrix product reaches {1000 * possible / matrix:.3f}"
    )


if __name__ == "__main__":
    main()
