"""What one GPU makes of the preset surreal2lsp: steps, iterations from files on disk, poses scored.

    benchmarks/device.sh                 # at most 8 minutes on one H100 or H200
    benchmarks/device.sh --rehearse      # the same, small and uncompiled, anywhere

Prints tables and writes benchmarks/results/device-<gpu>.json, anew after every cell: what is cut short keeps
what it has. Weights and pictures are random, which changes no time. A step's time goes from event to event
on the device, host and device running side by side as they do in training; mean and quartiles are of as many
calls, because a coin decides which batches AdaIN restyles.
"""

import argparse
import importlib.util
import json
import platform
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from iteration import iteration_ms, loading_ms, shortened, step_ms, write_inputs
from random_domain import jpegs
from rich.console import Console
from rich.table import Table
from scale import score, write_poses
from step import Subject, batch_step, make_floor, make_matrix_product, make_step, subject_of, tera_operations
from turns import Work, median_ms, times_ms, wait_for

from actupose.core.device import pick_device
from actupose.training.run_files import open_trainer

PRESET = "surreal2lsp"
SUBJECTS = {
    "source_only": ("source_only", ()),
    "regda": ("regda", ()),
    "udape, no style": ("udape", ("methods.udape.style.kind=none",)),
    "udape": ("udape", ()),
    "actupose": ("actupose", ()),
}
COMPILED = ("udape", "udape, no style", "regda", "actupose", "source_only")
SMALL = (
    *("data.image_size=64", "network.depth=18", "network.width=0.25", "network.deconv_channels=16"),
    *("schedule.batch_size=4", "compute.device=cpu"),
)
WARM_UP = 12
PROFILED = 2
ITERATIONS = 35_000

Row = dict[str, Any]


class Report:
    """Rows by section, printed and written as they come."""

    def __init__(self, path: Path, seconds: float) -> None:
        self.path = path
        self.ends = time.monotonic() + seconds
        self.sections: dict[str, list[Row]] = {}

    def add(self, section: str, name: str, measure: Callable[[], Row]) -> None:
        """Measure one cell, unless the time is up; a cell that fails is written down and stops no other."""
        if time.monotonic() > self.ends:
            row: Row = {"left out": "no time"}
        else:
            began = time.monotonic()
            try:
                row = measure()
            except RuntimeError as error:
                row = {"failed": str(error).splitlines()[0]}
            row["cell seconds"] = round(time.monotonic() - began, 1)
        self.sections.setdefault(section, []).append({"what": name} | row)
        self.path.write_text(json.dumps(self.sections, indent=1) + "\n")
        print(section, {"what": name} | row, flush=True)

    def show(self) -> None:
        """A table of each section."""
        for section, rows in self.sections.items():
            columns = list(dict.fromkeys(key for row in rows for key in row))
            table = Table(*columns, title=section)
            for row in rows:
                table.add_row(*(str(row.get(column, "")) for column in columns))
            Console(width=180).print(table)


def machine(device: torch.device, commit: str) -> Row:
    """Where and what this is."""
    name = torch.cuda.get_device_name() if device.type == "cuda" else platform.processor() or "cpu"
    return {"device": name, "torch": torch.__version__, "cores": torch.get_num_threads(), "commit": commit}


def ceilings(subject: Subject) -> Row:
    """What a matrix product and a copy on the device reach, and what a launch costs the host."""
    runtime = subject.runtime(compiled=False)
    product = make_matrix_product(runtime)
    source = torch.rand((1 << 30) if runtime.device.type == "cuda" else (1 << 20), device=runtime.device)
    target = torch.empty_like(source)
    works: list[Work] = [product, lambda _: target.copy_(source)]
    median_ms(works, WARM_UP, runtime.device)
    product_ms, copy_ms = median_ms(works, 20, runtime.device)
    small = torch.zeros(8, device=runtime.device)
    wait_for(runtime.device)
    (launch_ms,) = median_ms([lambda _: small.add_(1)], 500)
    return {
        "matrix product TFLOP/s": round(tera_operations(product) / product_ms * 1000, 3),
        "copy TB/s": round(2 * source.numel() * source.element_size() / copy_ms / 1e9, 3),
        "launch us": round(1000 * launch_ms, 1),
    }


def step_row(subject: Subject, rounds: int) -> Row:
    """A step of the method, with uncompiled networks."""
    runtime = subject.runtime(compiled=False)
    device = runtime.device
    step = make_step(subject, runtime)
    for number in range(WARM_UP):
        loss = step(number).losses["source"].detach()
    row: Row = {"loss": round(float(loss), 6)}
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    (times,) = times_ms([step], rounds, device)
    row |= _spread(times)
    if device.type == "cuda":
        row["GB"] = round(torch.cuda.max_memory_allocated() / 1e9, 1)
        row |= _on_device(step)
    return row


def _spread(times: list[float]) -> Row:
    low, median, high = statistics.quantiles(times, n=4)
    return {
        "median ms": round(median, 2),
        "quartiles": f"{low:.2f} {high:.2f}",
        "mean ms": round(statistics.mean(times), 2),
    }


def _on_device(step: Work) -> Row:
    """Kernels of a step, launches that start them, and the share of its time in which the device works."""
    with torch.profiler.profile() as profile:
        for number in range(PROFILED):
            step(number)
        torch.cuda.synchronize()
    (times,) = times_ms([step], PROFILED, torch.device("cuda"))
    events = profile.events() or []
    kernels = [event for event in events if event.device_type.name == "CUDA"]
    launches = [event for event in events if re.match("cu(da)?(Graph)?Launch", event.name)]
    busy_ms = sum(kernel.device_time for kernel in kernels) / 1000
    return {
        "kernels": len(kernels) // PROFILED,
        "launches": len(launches) // PROFILED,
        "busy": round(busy_ms / sum(times), 2),
    }


def passes_row(subject: Subject, rounds: int) -> Row:
    """The passes alone: as they are, and on a GPU replayed as one graph."""
    runtime = subject.runtime(compiled=False)
    passes = make_floor(subject, runtime)
    works: list[Work] = [passes]
    if runtime.device.type == "cuda":
        works.append(_captured(passes))
    times_ms(works, WARM_UP, runtime.device)
    times = dict(zip(("ms", "graph ms"), median_ms(works, rounds, runtime.device), strict=False))
    operations = tera_operations(passes)
    return {name: round(ms, 2) for name, ms in times.items()} | {
        "10^12 operations": round(operations, 4),
        "TFLOP/s": round(1000 * operations / min(times.values()), 2),
    }


def _captured(passes: Work) -> Work:
    """Launched by one call: everything is where it was when it was captured."""
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for number in range(WARM_UP):
            passes(number)
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        passes(0)
    return lambda _number: graph.replay()


def iteration_row(subject: Subject, folder: Path, steps: int, pictures: int) -> Row:
    """An iteration of the trainer from files on disk, beside its step alone."""
    run = shortened(subject.run, steps)
    inputs = write_inputs(folder, pictures, replace(subject, run=run))
    trainer = open_trainer(run, subject.compute, inputs, folder / "checkpoints")
    began = time.monotonic()
    whole = iteration_ms(trainer)
    row: Row = {"run s": round(time.monotonic() - began, 1)}  # mostly the compiler's
    row["loss of epochs"] = [round(epoch["source"], 5) for epoch in trainer.state.history]
    step = step_ms(trainer, steps)
    row |= {"iteration ms": round(whole, 2), "step ms": round(step, 2), "ratio": round(whole / step, 2)}
    if trainer.runtime.device.type == "cuda":
        row |= _on_device(batch_step(trainer.method, run, trainer.runtime))
    return row | {"minutes for 35,000": round(whole * ITERATIONS / 60_000, 1)}


def loading_row(subject: Subject, folder: Path, workers: Sequence[int], pictures: int) -> Row:
    """Milliseconds of a batch of both domains on its way from files to the device."""
    short = replace(subject, run=shortened(subject.run, 100))
    trainer = open_trainer(short.run, subject.compute, write_inputs(folder, pictures, short), folder)
    times = {count: [loading_ms(trainer, count) for _ in range(2)] for count in workers}
    return {f"ms by {count} processes": round(min(found), 2) for count, found in times.items()}


def decoding_row(subject: Subject, count: int) -> Row:
    """Pictures a second by torchvision's decoder on the device, where it is installed."""
    device = subject.runtime(compiled=False).device
    if device.type == "cpu" or importlib.util.find_spec("torchvision") is None:
        return {"left out": "needs a GPU and torchvision"}
    from torchvision.io import decode_jpeg  # type: ignore[import-not-found]

    pictures = [
        torch.frombuffer(bytearray(one), dtype=torch.uint8) for one in jpegs(count, subject.run.image_size)
    ]
    decode_jpeg(pictures[:64], device=device)
    began = time.perf_counter()
    for first in range(0, count, 64):
        decode_jpeg(pictures[first : first + 64], device=device)
    wait_for(device)
    return {"pictures a second": round(count / (time.perf_counter() - began))}


def scoring_row(folder: Path, poses: int) -> Row:
    """The work of the score stage."""
    sizes = argparse.Namespace(poses=poses)
    write_poses(folder, sizes)
    began = time.perf_counter()
    score(folder, sizes)
    return {"seconds": round(time.perf_counter() - began, 2)}


def measure(report: Report, is_small: bool) -> None:
    """All cells; last those that a compiler holds up for minutes, what matters most first."""
    small: tuple[str, ...] = SMALL if is_small else ()
    rounds, iterations, pictures = (3, 3, 64) if is_small else (20, 150, 4000)

    def subject(name: str, *settings: str) -> Subject:
        method, own = SUBJECTS[name]
        return subject_of(PRESET, method, (*own, *small, *settings))

    report.add("ceilings", "bf16-mixed", partial(ceilings, subject("udape")))
    for precision in ("bf16-mixed", "32-true"):
        for name in SUBJECTS:
            chosen = subject(name, f"compute.precision={precision}")
            report.add("step", f"{name}, {precision}", partial(step_row, chosen, rounds))
    for name in ("source_only", "udape"):
        report.add("passes", name, partial(passes_row, subject(name), rounds))
    report.add("decoding", "on the device", partial(decoding_row, subject("udape"), pictures))
    with tempfile.TemporaryDirectory() as place:
        poses = 2000 if is_small else 500_000
        report.add("scoring", f"{poses} poses", partial(scoring_row, Path(place), poses))
        workers = (1,) if is_small else (8, 12, 16)
        loading = partial(loading_row, subject("source_only"), Path(place) / "loading", workers, pictures)
        report.add("loading", "both domains", loading)
        for name in ("source_only",) if is_small else COMPILED:
            how = (f"compute.workers={workers[0]}", f"compute.compile={not is_small}")
            chosen = subject(name, *how)
            row = partial(iteration_row, chosen, Path(place) / name, iterations, pictures)
            report.add("iteration", f"{name}, bf16-mixed, compiled", row)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rehearse", action="store_true", help="tiny sizes on the CPU")
    parser.add_argument("--seconds", type=float, default=420, help="no cell begins after so many")
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--commit", default="unknown", help="written beside the figures")
    arguments = parser.parse_args()
    device = torch.device("cpu" if arguments.rehearse else pick_device("auto"))
    found = machine(device, arguments.commit)
    name = "rehearsal" if arguments.rehearse else found["device"].lower().replace(" ", "-")
    report = Report(arguments.results / f"device-{name}.json", arguments.seconds)
    report.add("machine", "here", lambda: found)
    measure(report, arguments.rehearse)
    report.show()


if __name__ == "__main__":
    main()
