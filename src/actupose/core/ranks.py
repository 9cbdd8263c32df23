"""The processes of one run (ranks, under torchrun): each sees its share of a batch, all see every output.

Whatever has weights is given this rank's share of the batch; its output is gathered, and the losses, which
are cheap, are computed on the whole batch by every rank alike. So no loss, gate or ranking knows of ranks,
and gradients, which are of the share, are summed. One process is a world of its own; nothing here costs it.
"""

from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.distributed import ProcessGroup

_host_groups: dict[ProcessGroup, ProcessGroup] = {}


def world_size() -> int:
    """Number of ranks."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Number of this process among them; 0 writes and logs."""
    return dist.get_rank() if dist.is_initialized() else 0


def share(batch: Shaped[Tensor, "..."], dim: int = 0) -> Shaped[Tensor, "..."]:
    """This rank's part of a whole batch."""
    return batch.chunk(world_size(), dim)[rank()] if world_size() > 1 else batch


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(_ctx: Any, part: Tensor) -> Tensor:  # noqa: ANN401 - torch's context
        return _collect(part, None)

    @staticmethod
    def backward(_ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ANN401 - torch's context
        return share(gradient)  # every rank has computed the whole loss


def gather(part: Shaped[Tensor, "share *rest"]) -> Shaped[Tensor, "B *rest"]:
    """The whole batch from every rank's share of it; the gradient is of the own share."""
    if world_size() == 1:
        return part
    whole: Tensor = _Gather.apply(part)  # type: ignore[no-untyped-call]
    return whole


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(_ctx: Any, values: Tensor) -> Tensor:  # noqa: ANN401 - torch's context
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(_ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ANN401 - torch's context
        gradient = gradient.contiguous()
        dist.all_reduce(gradient)  # the sum reaches the shares of all ranks
        return gradient


def sum_over_ranks(values: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Sum over the ranks of a statistic of their shares, differentiable."""
    total: Tensor = _Sum.apply(values)  # type: ignore[no-untyped-call]
    return total


@torch.no_grad()
def sum_gradients(*optimizers: torch.optim.Optimizer) -> None:
    """Make the gradients of the shares the gradient of the whole batch: one message, however many weights."""
    if world_size() == 1:
        return
    weights = [w for optimizer in optimizers for group in optimizer.param_groups for w in group["params"]]
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    dist.all_reduce(flat)
    pieces = flat.split([gradient.numel() for gradient in gradients])
    torch._foreach_copy_(gradients, [p.view(g.shape) for p, g in zip(pieces, gradients, strict=True)])


def any_rank(*flags: bool) -> list[bool]:
    """For each flag whether any rank has raised it; the device is not waited for."""
    if world_size() == 1:
        return list(flags)
    raised = torch.tensor(flags, dtype=torch.uint8)
    dist.all_reduce(raised, dist.ReduceOp.MAX, group=_host_group())
    return [bool(flag) for flag in raised.tolist()]


def gather_rows(part: Shaped[Tensor, "share *rest"]) -> Shaped[Tensor, "rows *rest"]:
    """Rows of every rank, on the CPU, one after the other; all ranks have as many."""
    if world_size() == 1:
        return part
    return _collect(part, _host_group())


def _collect(part: Shaped[Tensor, "share *rest"], group: ProcessGroup | None) -> Shaped[Tensor, "rows *rest"]:
    """Every rank's part, one after the other."""
    part = part.contiguous()
    parts = [torch.empty_like(part) for _ in range(world_size())]
    dist.all_gather(parts, part, group=group)
    return torch.cat(parts)


def wait_for_all() -> None:
    """Go on when every rank is here."""
    any_rank(False)


def _host_group() -> ProcessGroup:
    """For messages that lie in host memory, whatever the devices talk through; made by all ranks at once."""
    world = dist.group.WORLD
    assert world is not None
    if world not in _host_groups:
        _host_groups[world] = dist.new_group(backend="gloo")
    return _host_groups[world]
