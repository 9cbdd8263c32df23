"""Train one method with one seed; a stopped or killed run goes on from its last checkpoint.

A signal, or the death of ``dvc repro``, lets it finish the step and save first (actupose.signals).
"""

import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import yaml

from actupose.core.ranks import rank
from actupose.errors import UserError
from actupose.layout import BINS, INGESTED, PIPELINE, PRETRAINED, RUNS, STATE, STYLE, VAE
from actupose.params import Params, RunParams
from actupose.progress import progress
from actupose.signals import StopRequest
from actupose.training.checkpoint import newest_step
from actupose.training.run_files import open_trainer, write_outputs
from actupose.training.runtime import check_shares
from actupose.training.trainer import Stopped, Track, Trainer
from actupose.training.training_data import Inputs, open_training_data
from stages._entry import RANKS, UNDER_TORCHRUN, run_stage
from stages._run_arguments import read_run_arguments
from stages.events import emit
from tracking import RunMirror, describe_run


def main() -> None:
    """Images, labels and scores -> runs/<method>-<seed>."""
    args = read_run_arguments(__doc__)
    params = args.params
    run = RunParams.of(params, args.method, args.seed)
    inputs = Inputs(INGESTED, BINS, VAE, STYLE)
    _become_ranks(run, inputs)
    stop = StopRequest()  # before the slow part: a signal at any moment ends the run in good order
    pretrained = Path(os.environ.get(PRETRAINED, STATE / "pretrained"))
    trainer = open_trainer(run, params.compute, inputs, STATE / "checkpoints", _code(), pretrained)
    if rank() > 0:
        _train_silently(trainer, stop)
        return
    with RunMirror.open(trainer.folder, describe_run(params, args.method, args.seed)) as mirror:
        try:
            _train(trainer, params, mirror, stop)
        except Exception as error:
            error.add_note(f"the next start goes on from step {newest_step(trainer.folder)}")
            raise


def _code() -> list[Path]:
    """The library's files that decide the weights: those that dvc.yaml names for this stage."""
    named = yaml.safe_load(PIPELINE.read_text())["stages"]["train"]["deps"]
    places = [Path(place) for place in named if place.startswith("src/")]
    files = (path for place in places for path in ([place] if place.is_file() else place.rglob("*.py")))
    return sorted(files)


def _become_ranks(run: RunParams, inputs: Inputs) -> None:
    """Go on as that many processes of torchrun, where the environment asks for them.

    A mistake shows here, in one line: torchrun would add its own.
    """
    ranks = os.environ.get(RANKS, "1")
    if UNDER_TORCHRUN in os.environ or ranks == "1":
        return
    if not ranks.isdecimal() or int(ranks) < 1:
        raise UserError(f"{RANKS} = {ranks!r}: a number of processes, one for each GPU")
    check_shares(run, int(ranks))
    open_training_data(run, inputs)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
    os.execv(sys.executable, [*torchrun, "-m", "stages.train", *sys.argv[1:]])


def _train_silently(trainer: Trainer, stop: StopRequest) -> None:
    """A rank beside the first: it computes, and writes and logs nothing."""
    _run(trainer, lambda *_: None, stop, lambda _: None)


def _run(trainer: Trainer, track: Track, stop: StopRequest, on_step: Callable[[int], None]) -> None:
    try:
        trainer.run(track, stop.requested, on_step)
    except Stopped:
        sys.exit(128 + (stop.signum or signal.SIGTERM))  # or another rank was asked


def _train(trainer: Trainer, params: Params, mirror: RunMirror, stop: StopRequest) -> None:
    name = f"{trainer.params.method_name}-{trainer.params.seed}"
    schedule = params.schedule

    def track(epoch: int, metrics: Mapping[str, float]) -> None:
        mirror.log_epoch(epoch, metrics)
        shown = ", ".join(f"{key} {metrics[key]:.3f}" for key in ("source", "consistency") if key in metrics)
        print(f"{name} epoch {epoch + 1}/{schedule.epochs}: {shown}", flush=True)
        emit("progress", done=epoch + 1, total=schedule.epochs, unit="epoch")

    with progress(name, schedule.epochs * schedule.steps_per_epoch) as advance:
        _run(trainer, track, stop, advance)
    write_outputs(trainer, RUNS / name)


if __name__ == "__main__":
    run_stage(main)
