"""Layers that pass values on and change the gradient: damping (RegDA), reversal (Ganin and Lempitsky)."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import FunctionCtx


class _ScaleGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, factor: float) -> Tensor:  # noqa: ANN401 - torch's context
        ctx.factor = factor
        return values.view_as(values)

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient * ctx.factor, None  # type: ignore[attr-defined]


def scale_gradient(values: Float[Tensor, "*shape"], factor: float) -> Float[Tensor, "*shape"]:
    """The values; what flows back is multiplied by ``factor``: below 1 damps, negative reverses."""
    scaled: Tensor = _ScaleGradient.apply(values, factor)  # type: ignore[no-untyped-call]
    return scaled
