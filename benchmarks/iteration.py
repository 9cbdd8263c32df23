"""A training iteration from files on disk to updated weights, beside its step and its loading alone.

    python benchmarks/iteration.py --preset surreal2lsp --method udape

The trainer itself runs two short epochs of the preset on random pictures; the second is timed, its loader's
processes having started. Step and loading alone follow in the same run: where loading takes less than the
step, it is not the limit. What the preset's schedule takes is added up as if every epoch adapted and none
ended with an evaluation.
"""

import argparse
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from random_domain import write_domain
from step import Subject, batch_step, subject_of
from turns import median_ms, wait_for

from actupose.data.dataset import epoch_plan
from actupose.params import RunParams
from actupose.tables import SCORES, make_table, write_table
from actupose.training.run_files import open_trainer
from actupose.training.style_training import save_style
from actupose.training.trainer import Trainer
from actupose.training.training_data import Inputs

EPOCHS = 2


def write_inputs(folder: Path, pictures: int, subject: Subject) -> Inputs:
    """Both domains, and scores of the source's samples."""
    side, skeleton = subject.run.image_size, subject.run.skeleton
    ids = write_domain(folder / "source", {"train": pictures}, side, skeleton)
    write_domain(folder / "target", {"train": pictures, "test": 1}, side, skeleton)
    columns = {
        "sample_id": ids,
        "split": ["train"] * pictures,
        "score": np.linspace(0, 1, pictures, dtype=np.float32),
        "rank": np.arange(pictures),
        "bin": np.arange(pictures) * subject.run.method.curriculum.num_bins // pictures,
    }
    write_table(folder / "source" / "scores.parquet", make_table(SCORES, columns), SCORES)
    if net := subject.nets().style:
        save_style(folder / "style", net, subject.style, [])
    return Inputs(folder, folder, folder / "vae", folder / "style")


def shortened(run: RunParams, steps: int) -> RunParams:
    """The same run with short epochs and no predictions of the test images."""
    changes = {"epochs": EPOCHS, "pretrain_epochs": 0, "steps_per_epoch": steps}
    schedule = run.schedule.model_copy(update=changes)
    return run.model_copy(update={"schedule": schedule, "every_epochs": 0})


def iteration_ms(trainer: Trainer) -> float:
    """Milliseconds of one iteration of the last epoch."""
    speeds = []

    def track(_epoch: int, metrics: Mapping[str, float]) -> None:
        speeds.append(metrics["samples_per_second"])

    trainer.run(track, lambda: False, lambda _step: None)
    return 1000 * trainer.params.schedule.batch_size / speeds[-1]


def loading_ms(trainer: Trainer, workers: int) -> float:
    """Milliseconds of a batch of both domains on its way to the device, with no step in between."""
    schedule = trainer.params.schedule
    domains = (trainer.data.labelled, trainer.data.target)
    size = (schedule.steps_per_epoch, schedule.batch_size)
    plans = [epoch_plan(torch.arange(len(domain)), size, 0, "loading", 0) for domain in domains]
    batches = [domain.batches(plan, workers) for domain, plan in zip(domains, plans, strict=True)]
    began = time.perf_counter()
    for both in zip(*batches, strict=True):
        for batch in both:
            batch.to(trainer.runtime.device)
    wait_for(trainer.runtime.device)
    return 1000 * (time.perf_counter() - began) / schedule.steps_per_epoch


def step_ms(trainer: Trainer, rounds: int) -> float:
    """Median milliseconds of a step of the trainer's own networks on one batch that lies on the device."""
    step = batch_step(trainer.method, trainer.params, trainer.runtime)
    return median_ms([step], rounds, trainer.runtime.device)[0]


def main() -> None:
    """Train, then print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", help="name in presets/ or path; default: params.yaml")
    parser.add_argument("--method", default="udape")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--steps", type=int, default=100, help="iterations of each of the two epochs")
    parser.add_argument("--pictures", type=int, default=4000, help="of each domain")
    arguments = parser.parse_args()
    subject = subject_of(arguments.preset, arguments.method, [f"compute.device={arguments.device}"])
    published, compute = subject.run.schedule, subject.compute
    short = replace(subject, run=shortened(subject.run, arguments.steps))
    with tempfile.TemporaryDirectory() as folder:
        inputs = write_inputs(Path(folder), arguments.pictures, short)
        trainer = open_trainer(short.run, compute, inputs, Path(folder) / "checkpoints")
        whole, loading = iteration_ms(trainer), loading_ms(trainer, compute.workers)
    is_gpu = trainer.runtime.device.type == "cuda"
    peak = torch.cuda.max_memory_allocated() / 1e9 if is_gpu else 0.0
    step = step_ms(trainer, arguments.steps)
    minutes = whole * published.epochs * published.steps_per_epoch / 60_000
    print(
        f"{arguments.preset or 'params.yaml'} {arguments.method} on {trainer.runtime.device}: iteration "
        f"{whole:.1f} ms, step alone {step:.1f} ms, loading alone {loading:.1f} ms by {compute.workers} "
        f"processes; iteration / step {whole / step:.2f}; {minutes:.0f} minutes if all epochs adapt"
    )
    if is_gpu:
        print(f"{torch.cuda.get_device_name()}: at most {peak:.1f} GB of its memory")


if __name__ == "__main__":
    main()
