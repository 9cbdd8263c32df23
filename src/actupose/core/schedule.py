"""What changes with the epoch or the step apart from gradients: learning rates, ramps and teacher."""

import math
from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

Decay = Literal["step", "cosine"]


def learning_rate(
    lr: float, epoch: int, epochs: int, decay: Decay, milestones: Sequence[int], factor: float
) -> float:
    """Learning rate of an epoch.

    Args:
        lr: of epoch 0.
        epoch: 0-based.
        epochs: of the whole schedule.
        decay: ``step`` multiplies by ``factor`` from each milestone epoch on; ``cosine`` falls towards 0,
            which it would reach at ``epoch == epochs``.
        milestones: epochs; of no meaning to ``cosine``.
        factor: of no meaning to ``cosine``.

    Raises:
        ValueError: the decay is unknown.
    """
    match decay:
        case "step":
            return lr * factor ** sum(epoch >= milestone for milestone in milestones)
        case "cosine":
            return lr * (1 + math.cos(math.pi * epoch / epochs)) / 2
        case _:
            raise ValueError(f"decay {decay!r}: one of {', '.join(get_args(Decay))}")


def inverse_decay(step: int, gamma: float, power: float) -> float:
    """Factor of a learning rate, (1 + gamma step)^-power (Ganin and Lempitsky, ICML 2015; RegDA)."""
    return float((1 + gamma * step) ** -power)


def warm_start(progress: float, high: float = 1.0) -> float:
    """Rise from 0 at ``progress`` 0 towards ``high``: high (2 / (1 + exp(-progress)) - 1).

    Ganin and Lempitsky's ramp of the reversed gradient with ``progress`` = 10 times the share of training
    done; RegDA's of the damped one with ``progress`` = steps / 1000 and ``high`` 0.1.
    """
    return high * (2 / (1 + math.exp(-progress)) - 1)


def warm_cosine(share: float, warmup: float) -> float:
    """Factor of a learning rate after a share of the steps: rises from 0 over ``warmup``, then falls to 0."""
    if share < warmup:
        return share / warmup
    return (1 + math.cos(math.pi * (share - warmup) / (1 - warmup))) / 2


def ramped_decay(first: float, last: float, share: float) -> float:
    """A teacher's decay after a share of the steps: 1 - decay goes from the first to the last geometrically.

    Both lie below 1.
    """
    return float(1 - (1 - first) ** (1 - share) * (1 - last) ** share)


@torch.no_grad()
def update_ema(teacher_params: list[Tensor], student_params: list[Tensor], decay: float) -> None:
    """Move the teacher in place: teacher <- decay * teacher + (1 - decay) * student (UDAPE, mean teacher).

    Args:
        teacher_params: parameters, not buffers: BatchNorm statistics are a policy of the caller.
        student_params: the same shapes in the same order.
        decay: 0 copies the student, 1 leaves the teacher.
    """
    torch._foreach_lerp_(teacher_params, student_params, 1 - decay)
