"""Methods on tiny settings, apart from any data on disk."""

from collections.abc import Mapping

import torch
from tiny_domains import SIDE, random_images, tiny_params
from torch import Tensor, nn

from actupose.data.views import LabelledBatch, student_images, teacher_images
from actupose.methods import Method
from actupose.methods.mean_teacher import MeanTeacher
from actupose.nets.runtime import Runtime
from actupose.params import RunParams
from actupose.training.method import build_method

UNMIRRORED = {"augment__student__flip": 0, "augment__teacher__flip": 0}


def tiny_run(method: str, seed: int = 0, **changes) -> RunParams:
    return RunParams.of(tiny_params(**changes), method, seed)


def build(run: RunParams) -> Method:
    return build_method(run, Runtime(torch.device("cpu")))


def labelled_batch() -> LabelledBatch:
    labels = (SIDE - 1) * torch.rand(4, 16, 2, generator=torch.Generator().manual_seed(3))
    return LabelledBatch(random_images(4, SIDE), labels, torch.ones(4, 16, dtype=torch.bool))


def target_terms(
    method: MeanTeacher, student: nn.Module, teacher: nn.Module, images: Tensor, step: int = 0
) -> Mapping[str, Tensor]:
    """Losses and logged values of the target side alone, with other networks in place of the method's."""
    method.student.network, method.teacher = student, teacher
    views, augment = method.draw_views(step, images), method.student.run.augment
    pseudo = method.pseudo_labels([teacher_images(augment, images, view) for view in views.teacher], views)
    losses, logged = method.target_losses(pseudo, student_images(augment, images, views.student), views)
    return {**losses, **logged}
