"""The epoch loop of every method: curriculum, steps, re-ranking, validation, checkpoints.

All randomness is a function of (seed, stream, step), so that a run resumed from any step equals an unbroken
one; on the CPU bit for bit.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from actupose.core.ranks import any_rank, rank, share, wait_for_all
from actupose.data.dataset import DomainImages, ImageBatch, epoch_plan
from actupose.data.views import LabelledBatch
from actupose.nets.pose_model import PoseModel, Prediction, is_sure, mean_peaks
from actupose.nets.pose_resnet import PoseResNet
from actupose.params import ComputeParams, RunParams
from actupose.scoring.pose_score import score_keypoints
from actupose.training.curriculum_state import CurriculumState
from actupose.training.epoch_predictions import save_epoch_predictions, source_pck
from actupose.training.method import build_method, model_info
from actupose.training.prediction import predict_all
from actupose.training.pretraining import Pretraining
from actupose.training.runtime import start_runtime
from actupose.training.state import RunState, terms_of
from actupose.training.step_terms import StepTerms
from actupose.training.training_data import TrainingData

Track = Callable[[int, Mapping[str, float]], None]


class Stopped(Exception):  # noqa: N818 - not an error
    """The run was asked to stop; a checkpoint is saved."""


class NonFiniteLossError(Exception):
    """A loss term is not finite; the message names step, term and the batch's samples."""


class Trainer:
    """One run of one method with one seed.

    Args:
        params: everything that decides the weights.
        compute: device, layout, workers: nothing that decides more than rounding.
        data: images and labels.
        folder: where checkpoints and saved predictions lie; this run's own.
        key: names the run (:func:`~actupose.training.run_files.open_trainer`).
        pretraining: what it shares with other runs until adaptation begins, None to share nothing.
    """

    def __init__(
        self,
        params: RunParams,
        compute: ComputeParams,
        data: TrainingData,
        folder: Path,
        key: str,
        pretraining: Pretraining | None = None,
    ) -> None:
        self.params = params
        self.compute = compute
        self.data = data
        self.folder = folder
        self.key = key
        self.pretraining = pretraining
        self.runtime = start_runtime(params, compute)
        self.info = model_info(params)
        self.method = build_method(params, self.runtime, data.nets)
        self.labels = data.labels.to(self.runtime.device)
        self.state = RunState(self.method, _curriculum(params, data.vae_scores), self._unknown_peaks())
        self._unchecked: StepTerms | None = None

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
        self.state.restore(self.folder, self.key)
        if self.state.step == 0 and self.pretraining is not None:
            self._take_over(self.pretraining, track, on_step)
        # Not from the step: a run stopped after an epoch's last step has that epoch still to finish.
        for epoch in range(len(self.state.history), self.params.schedule.epochs):
            speed = self._run_epoch(epoch, should_stop, on_step)
            self._finish_epoch(epoch, speed, track)

    @property
    def network(self) -> PoseResNet:
        """The network that stands for the run so far."""
        return self.method.predictor(self.state.step)

    @property
    def evaluated_epochs(self) -> list[int]:
        """Epochs after which predictions are saved: every n-th and the last."""
        every, epochs = self.params.every_epochs, self.params.schedule.epochs
        return [e for e in range(epochs) if every and ((e + 1) % every == 0 or e + 1 == epochs)]

    def _run_epoch(
        self, epoch: int, should_stop: Callable[[], bool], on_step: Callable[[int], None]
    ) -> float:
        """Returns source images a second."""
        state, schedule, first_step = self.state, self.params.schedule, self.state.step
        if first_step == epoch * schedule.steps_per_epoch:
            self.method.prepare(first_step)
            self._look_at_target(epoch)
        pool = self._pool(epoch)
        started = saved = time.monotonic()
        for labelled, target in self._batches(epoch, pool):
            self._step(labelled, target)
            on_step(state.step)
            is_late = time.monotonic() - saved > 60 * self.compute.checkpoint_minutes
            stops, saves = any_rank(should_stop(), is_late)
            if stops or saves:
                self._save()
                saved = time.monotonic()
            if stops:
                raise Stopped(f"stopped after step {state.step}; the next start goes on from there")
        if state.curriculum is not None:
            state.curriculum_rows += state.curriculum.rows(epoch, pool)
        return (state.step - first_step) * schedule.batch_size / (time.monotonic() - started)

    def _step(self, labelled: ImageBatch, target: ImageBatch | None) -> None:
        index = labelled.index
        batch = LabelledBatch(labelled.images, self.labels.keypoints[index], self.labels.visible[index])
        self.runtime.begin_step()
        result = self.method.step(self.state.step, batch, target.images if target is not None else None)
        self._check_last_terms()
        self._unchecked = StepTerms.send(self.state.step, terms_of(result), labelled, target)
        self.state.note(index, result)

    def _finish_epoch(self, epoch: int, speed: float, track: Track) -> None:
        self._check_last_terms()
        state, steps = self.state, self.params.schedule.steps_per_epoch
        metrics = {name: float(value) / steps for name, value in state.sums.items()}
        metrics["learning_rate"] = self.method.rate(epoch * steps)
        if state.curriculum is not None:
            metrics |= state.curriculum.metrics(epoch)
            state.curriculum.finish_epoch(epoch, self._confidence(state.curriculum, epoch))
        if epoch in self.evaluated_epochs:
            metrics |= self._validate(epoch)
        state.finish_epoch(metrics)
        track(epoch, metrics | {"samples_per_second": speed})
        self._save()
        is_pretrained = self.state.step == self.params.schedule.first_adaptation_step
        if self.pretraining is not None and is_pretrained and rank() == 0:
            self.pretraining.leave(self.state, self.folder)

    def _take_over(self, pretraining: Pretraining, track: Track, on_step: Callable[[int], None]) -> None:
        """Tell of epochs that another run has trained as if they were this one's."""
        pretraining.take_over(self.state, self.folder)
        for epoch, metrics in enumerate(self.state.history):
            track(epoch, metrics)
        on_step(self.state.step)

    def _save(self) -> None:
        self._check_last_terms()
        if not self.state.is_finite():
            raise NonFiniteLossError(f"step {self.state.step - 1}: it left weights that are not finite")
        if rank() == 0:
            self.state.save(self.folder, self.key)
        wait_for_all()  # a rank that ended before would take the others with it

    def _pool(self, epoch: int) -> Tensor:
        if self.state.curriculum is None:
            return torch.arange(len(self.data.labelled))
        return self.state.curriculum.pool(epoch, self.params.seed)

    def _batches(self, epoch: int, pool: Tensor) -> Iterator[tuple[ImageBatch, ImageBatch | None]]:
        """What is left of an epoch's batches: labelled, and of the target where the method wants them."""
        schedule, seed = self.params.schedule, self.params.seed
        done = self.state.step - epoch * schedule.steps_per_epoch
        size = (schedule.steps_per_epoch, schedule.batch_size)
        plan = epoch_plan(pool, size, seed, "labelled order", epoch)[done:]
        labelled = self._load(self.data.labelled, plan)
        if not self.method.wants_target(self.state.step):
            return ((batch, None) for batch in labelled)
        everything = torch.arange(len(self.data.target))
        plan = epoch_plan(everything, size, seed, "target order", epoch)[done:]
        return zip(labelled, self._load(self.data.target, plan), strict=True)

    def _load(self, domain: DomainImages, plan: Tensor) -> Iterator[ImageBatch]:
        """On the device, this rank's images of each batch, and the positions of all of the batch."""
        loaded = domain.batches(share(plan, dim=1), self.compute.workers)
        for part, index in zip(loaded, plan, strict=True):
            yield ImageBatch(part.images, index).to(self.runtime.device)

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

    def _look_at_target(self, epoch: int) -> None:
        """Tell the curriculum what poses the model finds on the target, where it asks."""
        curriculum, vae = self.state.curriculum, self.data.nets.vae
        if curriculum is None or vae is None or not curriculum.needs_target(epoch):
            return
        found = self._predict(self._model(self.network), self.data.target)
        curriculum.match(score_keypoints(vae, found.keypoints[is_sure(found.confidence)]))

    def _confidence(self, curriculum: CurriculumState, epoch: int) -> Tensor:
        """(N,) mean peak of every labelled sample in the finished epoch, NaN where unknown."""
        if not curriculum.needs_full_pass(epoch):
            return self.state.peaks.cpu()
        student = self._model(self.method.networks["student"])
        return mean_peaks(self._predict(student, self.data.labelled).confidence)

    def _validate(self, epoch: int) -> dict[str, float]:
        """Save predictions on the target's test images; accuracy on source validation images."""
        model = self._model(self.network)
        target = self._predict(model, self.data.target_test)
        if rank() == 0:
            save_epoch_predictions(self.folder, epoch, self.data.target_test.sample_ids, target)
        if self.data.source_val is None:
            return {}
        images, labels = self.data.source_val
        source = self._predict(model, images)
        accuracy = source_pck(source, labels, self.params.skeleton, self.params.image_size)
        return {"source_val/pck_0.05": accuracy}

    def _model(self, network: nn.Module) -> PoseModel:
        return PoseModel(network, self.info, bf16=self.runtime.bf16)

    def _predict(self, model: PoseModel, images: DomainImages) -> Prediction:
        return predict_all(model, images, self.runtime.device, self.compute.workers)

    def _unknown_peaks(self) -> Tensor:
        return torch.full((len(self.data.labelled),), torch.nan, device=self.runtime.device)


def _named(images: DomainImages, index: Tensor) -> str:
    return ", ".join(images.sample_ids[position] for position in index.tolist())


def _curriculum(params: RunParams, vae_scores: Tensor | None) -> CurriculumState | None:
    """Curriculum over the labelled samples; None for the oracle, whose samples have no score."""
    if vae_scores is None:
        return None
    return CurriculumState(params.method.curriculum, params.schedule, vae_scores)
