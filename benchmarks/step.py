"""What a training step costs beside its own passes through the networks.

    python benchmarks/step.py --preset surreal2lsp-small --method udape

The floor is the same passes in plain PyTorch on ready tensors: forward and backward of the student on both
domains, forward of the teacher, the optimiser. Weights are random, which changes no time. With --compile the
same step with compiled networks is there as well. All take turns in one run; the ratios of their medians are
what counts. Beside them stands the arithmetic of the passes, and how fast a large matrix product goes here.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from turns import median_ms

from actupose.data.views import LabelledBatch
from actupose.methods import HelperNets, Method, StepResult
from actupose.nets.runtime import Runtime, descend
from actupose.nets.style_net import StyleNet, style_levels
from actupose.params import ComputeParams, RunParams, StyleNetParams, check_params
from actupose.params.overlay import apply_setting, starting_tree
from actupose.training.method import build_method
from actupose.training.runtime import start_runtime


@dataclass(frozen=True)
class Subject:
    """What is timed: a run's settings, where it computes, and what its style net would be."""

    run: RunParams
    compute: ComputeParams
    style: StyleNetParams

    def nets(self) -> HelperNets:
        """AdaIN's of the settings' architecture, with random weights."""
        if not self.run.method.needs_style_net:
            return HelperNets()
        return HelperNets(style=StyleNet(style_levels(self.style)).eval().requires_grad_(False))

    def runtime(self, *, compiled: bool) -> Runtime:
        """Device, precision and layout."""
        return start_runtime(self.run, self.compute.model_copy(update={"compile": compiled}))


def subject_of(preset: str | None, method: str, settings: Sequence[str]) -> Subject:
    """The preset (or params.yaml) under ``settings`` (key=value), adapting from the first step."""
    tree, path = starting_tree(preset)
    for setting in ("schedule.pretrain_epochs=0", "network.pretrained=null", *settings):
        apply_setting(tree, setting)
    params = check_params(tree, str(path))
    return Subject(RunParams.of(params, method, 0), params.compute, params.style_net)


def make_step(subject: Subject, runtime: Runtime) -> Callable[[int], StepResult]:
    """A whole training step of new networks on one batch of random images."""
    return batch_step(build_method(subject.run, runtime, subject.nets()), subject.run, runtime)


def batch_step(method: Method, run: RunParams, runtime: Runtime) -> Callable[[int], StepResult]:
    """A whole training step on one batch of random images that lies on the device."""
    side, size = run.image_size, run.schedule.batch_size
    random = torch.Generator().manual_seed(0)
    draw = [torch.randint(0, 256, (size, 3, side, side), generator=random).byte() for _ in range(2)]
    source, target = (images.to(runtime.device) for images in draw)
    keypoints = torch.rand(size, len(run.skeleton), 2, generator=random) * side
    visible = torch.ones(keypoints.shape[:2], dtype=torch.bool)
    batch = LabelledBatch(source, keypoints.to(runtime.device), visible.to(runtime.device))

    def work(step: int) -> StepResult:
        runtime.begin_step()
        return method.step(step, batch, target if method.wants_target(step) else None)

    return work


def make_floor(subject: Subject, runtime: Runtime) -> Callable[[int], None]:
    """Only the passes, the sum of the heat maps as the loss."""
    method, run = build_method(subject.run, runtime, subject.nets()), subject.run
    images = torch.rand(run.schedule.batch_size, 3, run.image_size, run.image_size, device=runtime.device)
    student, adapts = method.networks["student"], method.wants_target(0)
    for group in method.optimizers["student"].param_groups:
        group["capturable"] = runtime.device.type == "cuda"  # in a graph

    def passes(_step: int) -> None:
        loss = _mean(runtime, student, images)
        if adapts:
            loss = loss + _mean(runtime, student, images)
        if "teacher" in method.networks:
            with torch.no_grad():
                runtime.predict(method.networks["teacher"], images)
        descend(loss, method.optimizers["student"])

    return passes


def _mean(runtime: Runtime, network: nn.Module, images: Tensor) -> Tensor:
    return runtime.predict(network, images).heatmaps.mean()


def tera_operations(work: Callable[[int], object]) -> float:
    """Floating-point operations of one call, in 10^12: convolutions and matrix products."""
    with FlopCounterMode(display=False) as counter:
        work(0)
    return float(counter.get_total_flops()) / 1e12


def make_matrix_product(runtime: Runtime) -> Callable[[int], object]:
    """A product of square matrices in the precision of the passes: about what the device can reach."""
    side = 2048 if runtime.device.type == "cpu" else 8192
    matrix = torch.rand(side, side, device=runtime.device).to(
        torch.bfloat16 if runtime.bf16 else torch.float32
    )
    return lambda _round: matrix @ matrix


def print_profile(step: Callable[[int], object]) -> None:
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
    subject = subject_of(arguments.preset, arguments.method, [f"compute.device={arguments.device}"])
    runtime = subject.runtime(compiled=False)
    step = make_step(subject, runtime)
    floor, product = make_floor(subject, runtime), make_matrix_product(runtime)
    works: list[Callable[[int], object]] = [step, floor, product]
    if arguments.compile:
        works.append(make_step(subject, subject.runtime(compiled=True)))
    for number in range(3):
        for work in works:
            work(number)
    if arguments.profile:
        print_profile(step)
    whole, passes, matrix, *compiled = median_ms(works, arguments.steps, runtime.device)
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
