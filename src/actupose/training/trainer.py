"""The epoch loop of every method: curriculum, steps, re-ranking, saved predictions, checkpoints.

All randomness is a function of (seed, stream, step), so that a run resumed from any step equals an unbroken
one; on the CPU bit for bit.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from actupose.core.ranks import any_rank, rank, share, wait_for_all
from actupose.data.dataset import DomainImages, ImageBatch, epoch_plan
from actupose.methods.mean_teacher import MeanTeacher
from actupose.methods.poseda import PoseDA
from actupose.methods.regda import RegDA
from actupose.methods.supervised import LabelledBatch, Supervised
from actupose.nets.pose_model import mean_peaks
from actupose.params import ComputeParams
from actupose.params.run import TrainingSettings
from actupose.training.checkpoint import load_checkpoint, save_checkpoint
from actupose.training.curriculum_state import CurriculumState, Row
from actupose.training.epoch_predictions import save_epoch_predictions, source_pck
from actupose.training.prediction import predict_all
from actupose.training.step_terms import StepTerms
from actupose.training.training_data import TrainingData

Track = Callable[[int, Mapping[str, float]], None]

METHODS: dict[str, type[Supervised]] = {
    "supervised": Supervised,
    "mean_teacher": MeanTeacher,
    "regda": RegDA,
    "poseda": PoseDA,
}


class Stopped(Exception):  # noqa: N818 - not an error
    """The run was asked to stop; a checkpoint is saved."""


class NonFiniteLossError(Exception):
    """A loss term is not finite; the message names step, term and the batch's samples."""


class Trainer:
    """One run of one method with one seed.

    Args:
        settings: everything that decides the weights.
        compute: device, layout, workers: nothing that decides more than rounding.
        data: images and labels.
        folder: where checkpoints and saved predictions lie; this run's own.
        key: names the run (:func:`~actupose.training.checkpoint.checkpoint_key`).
    """

    def __init__(
        self, settings: TrainingSettings, compute: ComputeParams, data: TrainingData, folder: Path, key: str
    ) -> None:
        self.settings = settings
        self.compute = compute
        self.data = data
        self.folder = folder
        self.key = key
        self.method = METHODS[settings.method.adaptation](settings, compute, data.style_net)
        self.labels = data.labels.to(self.method.device)
        self.curriculum = _curriculum(settings, data.vae_scores)
        self.step = 0
        self.history: list[dict[str, float]] = []
        self.curriculum_rows: list[Row] = []
        self._unchecked: StepTerms | None = None
        self._start_epoch_record()

    def run(self, track: Track, should_stop: Callable[[], bool], on_step: Callable[[int], None]) -> None:
        """Train from the newest checkpoint (or the start) to the end.

        Args:
            track: told (epoch, metrics) when an epoch ends.
            should_stop: asked after every step.
            on_step: told the number of finished steps, for a progress bar.

        Raises:
            Stopped: ``should_stop`` said so; a checkpoint is saved.
            NonFiniteLossError: a loss term is NaN or infinite; the last checkpoint stays.
        """
        self._resume()
        schedule = self.settings.schedule
        # Not from the step: a run stopped after an epoch's last step has that epoch still to finish.
        for epoch in range(len(self.history), schedule.epochs):
            self._run_epoch(epoch, should_stop, on_step)
            self._finish_epoch(epoch, track)

    @property
    def adapted(self) -> bool:
        """Whether adaptation has begun: then the teacher stands for the run."""
        return self.method.is_adapting(self.step - 1)

    @property
    def evaluated_epochs(self) -> list[int]:
        """Epochs after which predictions are saved: every n-th and the last."""
        every, epochs = self.settings.every_epochs, self.settings.schedule.epochs
        return [e for e in range(epochs) if every and ((e + 1) % every == 0 or e + 1 == epochs)]

    def _run_epoch(self, epoch: int, should_stop: Callable[[], bool], on_step: Callable[[int], None]) -> None:
        self._rate = self.method.set_epoch(epoch)
        pool = self._pool(epoch)
        schedule = self.settings.schedule
        # The epoch is asked too: a run stopped after the last step before has that epoch still to finish.
        if epoch == schedule.pretrain_epochs and self.step == schedule.first_adaptation_step:
            self.method.start_adaptation()
        first_step = self.step
        started = saved = time.monotonic()
        for labelled, target in self._batches(epoch, pool):
            self._train_step(labelled, target)
            on_step(self.step)
            is_late = time.monotonic() - saved > 60 * self.compute.checkpoint_minutes
            stops, saves = any_rank(should_stop(), is_late)
            if stops or saves:
                self._save()
                saved = time.monotonic()
            if stops:
                raise Stopped(f"stopped after step {self.step}; the next start goes on from there")
        images = (self.step - first_step) * schedule.batch_size
        self._speed = images / (time.monotonic() - started)
        if self.curriculum is not None:
            self.curriculum_rows += self.curriculum.rows(epoch, pool)

    def _pool(self, epoch: int) -> Tensor:
        if self.curriculum is None:
            return torch.arange(len(self.data.labelled))
        return self.curriculum.pool(epoch, self.settings.seed)

    def _batches(self, epoch: int, pool: Tensor) -> Iterator[tuple[ImageBatch, ImageBatch | None]]:
        """What is left of an epoch's batches: labelled, and of the target where the method wants them."""
        schedule, seed = self.settings.schedule, self.settings.seed
        done = self.step - epoch * schedule.steps_per_epoch
        size = (schedule.steps_per_epoch, schedule.batch_size)
        plan = epoch_plan(pool, size, seed, "labelled order", epoch)[done:]
        labelled = self._load(self.data.labelled, plan)
        if not self.method.wants_target(self.step):
            return ((batch, None) for batch in labelled)
        everything = torch.arange(len(self.data.target))
        plan = epoch_plan(everything, size, seed, "target order", epoch)[done:]
        return zip(labelled, self._load(self.data.target, plan), strict=True)

    def _load(self, domain: DomainImages, plan: Tensor) -> Iterator[ImageBatch]:
        """On the device, this rank's images of each batch, and the positions of all of the batch."""
        loaded = domain.batches(share(plan, dim=1), self.compute.workers)
        for part, index in zip(loaded, plan, strict=True):
            yield ImageBatch(part.images, index).to(self.method.device)

    def _train_step(self, labelled: ImageBatch, target: ImageBatch | None) -> None:
        index = labelled.index
        batch = LabelledBatch(labelled.images, self.labels.keypoints[index], self.labels.visible[index])
        result = self.method.train_step(self.step, batch, target.images if target is not None else None)
        self._check_last_terms()
        self._unchecked = StepTerms.send(self.step, result.terms, labelled, target)
        self.peaks[index] = result.peaks
        for name, value in result.terms.items():
            self.sums[name] = self.sums.get(name, torch.zeros_like(value)) + value.detach()
        self.step += 1

    def _check_last_terms(self) -> None:
        """Look at the terms of the step before, while the device is busy with this one."""
        if self._unchecked is None:
            return
        last, self._unchecked = self._unchecked, None
        bad = last.bad_term()
        if bad is not None:
            samples = _named(self.data.labelled, last.labelled)
            if last.target is not None:
                samples += f"; target samples {_named(self.data.target, last.target)}"
            raise NonFiniteLossError(f"step {last.step}: {bad}; samples {samples}")

    def _finish_epoch(self, epoch: int, track: Track) -> None:
        self._check_last_terms()
        steps = self.settings.schedule.steps_per_epoch
        metrics = {name: float(value) / steps for name, value in self.sums.items()}
        metrics["learning_rate"] = self._rate
        if self.curriculum is not None:
            metrics |= self.curriculum.metrics(epoch)
            self.curriculum.finish_epoch(self._confidence())
        if epoch in self.evaluated_epochs:
            metrics |= self._look(epoch)
        self.history.append(metrics)
        track(epoch, metrics | {"samples_per_second": self._speed})
        self._start_epoch_record()
        self._save()

    def _confidence(self) -> Tensor:
        """(N,) mean peak of every labelled sample in the finished epoch, NaN where unknown."""
        assert self.curriculum is not None
        if not self.curriculum.reranks or self.settings.curriculum.confidence == "online":
            return self.peaks.cpu()
        student = self.method.predictor(adapted=False)
        prediction = predict_all(student, self.data.labelled, self.method.device, self.compute.workers)
        self.method.train()
        return mean_peaks(prediction.confidence)

    def _look(self, epoch: int) -> dict[str, float]:
        """Save the model's word on the target's test images; its accuracy on source validation images."""
        device, workers = self.method.device, self.compute.workers
        model = self.method.predictor(self.adapted)
        target = predict_all(model, self.data.target_test, device, workers)
        if rank() == 0:
            save_epoch_predictions(self.folder, epoch, self.data.target_test.sample_ids, target)
        accuracy = {}
        if self.data.source_val is not None:
            images, labels = self.data.source_val
            source = predict_all(model, images, device, workers)
            accuracy["source_val/pck_0.05"] = source_pck(
                source, labels, self.settings.skeleton, self.settings.image_size
            )
        self.method.train()
        return accuracy

    def _start_epoch_record(self) -> None:
        """Sums of the terms, and peaks of the labelled samples seen, since the epoch began."""
        self.sums: dict[str, Tensor] = {}
        self.peaks = torch.full((len(self.data.labelled),), torch.nan, device=self.method.device)

    def _save(self) -> None:
        self._check_last_terms()
        if not self.method.is_finite():
            raise NonFiniteLossError(f"step {self.step - 1}: it left weights that are not finite")
        state = {
            "key": self.key,
            "step": self.step,
            "method": self.method.state_dict(),
            "curriculum": self.curriculum.state_dict() if self.curriculum is not None else None,
            "history": self.history,
            "curriculum_rows": self.curriculum_rows,
            "sums": self.sums,
            "peaks": self.peaks,
        }
        if rank() == 0:
            save_checkpoint(self.folder, self.step, state)
        wait_for_all()  # a rank that ended before would take the others with it

    def _resume(self) -> None:
        state = load_checkpoint(self.folder, self.key)
        if state is None:
            return
        self.step = state["step"]
        self.method.load_state_dict(state["method"])
        if self.curriculum is not None:
            self.curriculum.load_state_dict(state["curriculum"])
        self.history, self.curriculum_rows = state["history"], state["curriculum_rows"]
        device = self.method.device
        self.sums = {name: value.to(device) for name, value in state["sums"].items()}
        self.peaks = state["peaks"].to(device)


def _named(images: DomainImages, index: Tensor) -> str:
    return ", ".join(images.sample_ids[position] for position in index.tolist())


def _curriculum(settings: TrainingSettings, vae_scores: Tensor | None) -> CurriculumState | None:
    """Curriculum over the labelled samples; None for the oracle, whose samples have no score."""
    if vae_scores is None:
        return None
    return CurriculumState(
        settings.method.curriculum, settings.curriculum, settings.schedule.epochs, vae_scores
    )
