"""UDAPE's mean teacher (ECCV 2022): the student learns labels and its teacher's word, the teacher follows."""

from dataclasses import replace
from typing import Any

from torch import Tensor

from actupose.core.schedule import update_ema
from actupose.methods.consistency import Consistency
from actupose.methods.reference_consistency import ReferenceConsistency
from actupose.methods.student import Student, whole_output
from actupose.methods.style_transfer import StyleTransfer
from actupose.methods.supervised import (
    LabelledBatch,
    StepResult,
    Supervised,
    labelled_forward,
    supervised_terms,
)
from actupose.nets.pose_model import PoseModel
from actupose.nets.pose_resnet import PoseOutput, PoseResNet
from actupose.nets.style_net import StyleNet
from actupose.params import AdaptationParams, ComputeParams
from actupose.params.run import TrainingSettings


class Teacher:
    """Moving average of the student once adaptation begins.

    Its BatchNorm follows ``adaptation.teacher_norm``: ``own`` normalises with the statistics of its own
    target batches and keeps running ones of them (as UDAPE does), ``student`` copies the student's.
    """

    def __init__(self, student: Student, settings: AdaptationParams) -> None:
        self.settings = settings
        self.student = student.bare
        self.bare = student.build().requires_grad_(False)
        self.network = student.fabric.setup_module(self.bare)

    def __call__(self, images: Tensor) -> PoseOutput:
        """See :func:`~actupose.methods.student.whole_output`."""
        return whole_output(self.network, images)

    def train(self) -> None:
        """Normalise as ``teacher_norm`` says."""
        self.network.train(self.settings.teacher_norm == "own")

    def copy_student(self) -> None:
        """Become the student, running statistics included."""
        self.bare.load_state_dict(self.student.state_dict())

    def follow(self) -> None:
        """Move towards the student."""
        update_ema(list(self.bare.parameters()), list(self.student.parameters()), self.settings.ema_decay)
        if self.settings.teacher_norm == "student":
            for mine, other in zip(self.bare.buffers(), self.student.buffers(), strict=True):
                mine.copy_(other)


class MeanTeacher(Supervised):
    """The student learns labels, and on target images its teacher's word; the teacher stands for the run."""

    adapts = True

    def __init__(
        self, settings: TrainingSettings, compute: ComputeParams, style_net: StyleNet | None = None
    ) -> None:
        super().__init__(settings, compute, style_net)
        self.teacher = Teacher(self.student, settings.adaptation)
        kind = ReferenceConsistency if settings.fidelity == "reference" else Consistency
        weights = settings.method.weights
        self.consistency = kind(self.task, settings.augment, settings.adaptation, weights)
        if style_net is not None:
            self.student.lay_out(style_net)
            style_net = self.student.fabric.setup_module(style_net)
        self.style = StyleTransfer(settings.style, settings.seed, style_net)
        self.train()

    def train(self) -> None:
        """Training mode; the teacher normalises as ``teacher_norm`` says."""
        super().train()
        self.teacher.train()

    def wants_target(self, step: int) -> bool:
        """While it adapts, and before as well where source images take the target's look."""
        return self.is_adapting(step) or self.style.is_on

    def start_adaptation(self) -> None:
        """The teacher begins as the student is."""
        self.teacher.copy_student()

    def train_step(self, step: int, batch: LabelledBatch, target: Tensor | None) -> StepResult:
        """One step of the student, then one of the teacher."""
        if target is None:
            return super().train_step(step, batch, None)
        plain, seed = self.view(step, batch), self.settings.seed

        def target_look() -> Tensor:
            return self.consistency.first_teacher_view(target, seed, step)

        def as_source(images: Tensor) -> Tensor:
            return self.style.restyle("target to source", step, images, lambda: plain.images)

        images = self.style.restyle("source to target", step, plain.images, target_look)
        source = labelled_forward(self.student, replace(plain, images=images))
        terms = supervised_terms(self.task, source, evalpose=self.settings.method.weights.evalpose > 0)
        if self.is_adapting(step):
            terms |= self.consistency.terms(self.student, self.teacher, source, target, seed, step, as_source)
        self.student.optimise(self.weigh(terms))
        if self.is_adapting(step):
            self.teacher.follow()
        return StepResult(terms, self.peaks(source))

    def weights(self) -> list[Tensor]:
        """Of both networks."""
        return [*super().weights(), *self.teacher.bare.parameters()]

    def predictor(self, adapted: bool) -> PoseModel:
        """The teacher once adaptation has begun."""
        return PoseModel(self.teacher.network, self.student.info) if adapted else super().predictor(adapted)

    def bare(self, adapted: bool) -> PoseResNet:
        """The teacher once adaptation has begun."""
        return self.teacher.bare if adapted else super().bare(adapted)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return super().state_dict() | {"teacher": self.teacher.bare.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where :meth:`state_dict` stood."""
        super().load_state_dict(state)
        self.teacher.bare.load_state_dict(state["teacher"])
