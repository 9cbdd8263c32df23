"""The device a run computes on, alone or as one of torchrun's ranks."""

import os

from lightning_fabric import Fabric
from lightning_fabric.strategies import DDPStrategy
from lightning_fabric.utilities.rank_zero import rank_zero_warn
from lightning_fabric.wrappers import _FabricOptimizer as FabricOptimizer
from torch import Tensor, nn

from actupose.core.device import emulates_bf16, pick_device
from actupose.core.ranks import sum_gradients
from actupose.errors import UserError
from actupose.params import ComputeParams
from actupose.params.run import TrainingSettings


class _Ranks(DDPStrategy):  # type: ignore[misc]  # lightning has no types here
    """DDP's devices and process group without its wrapping: :mod:`actupose.core.ranks` sums gradients.

    A step may go backward several times through one forward (RegDA), which DDP's hooks do not allow.
    """

    def setup_module(self, module: nn.Module) -> nn.Module:
        """The module as it is."""
        return module


def start_fabric(settings: TrainingSettings, compute: ComputeParams) -> Fabric:
    """Fabric on this process's device; joins the other ranks if torchrun started it.

    Raises:
        UserError: the batch cannot be shared equally.
    """
    device, precision = pick_device(compute.device), settings.precision
    if precision == "bf16-mixed" and emulates_bf16(device):
        rank_zero_warn(f"compute.precision = bf16-mixed: {device} emulates it; 32-true is faster")
    ranks = int(os.environ.get("WORLD_SIZE", "1"))
    if ranks == 1:
        return Fabric(accelerator=device, devices=1, precision=precision)
    check_shares(settings, ranks)
    local = int(os.environ["LOCAL_WORLD_SIZE"])
    fabric = Fabric(
        accelerator=device, devices=local, num_nodes=ranks // local, strategy=_Ranks(), precision=precision
    )
    fabric.launch()
    return fabric


def check_shares(settings: TrainingSettings, ranks: int) -> None:
    """Raise a UserError unless the batch can be shared equally."""
    batch_size = settings.schedule.batch_size
    if batch_size % ranks:
        raise UserError(f"schedule.batch_size = {batch_size}: {ranks} processes cannot share it equally")


def take_step(fabric: Fabric, loss: Tensor, *optimizers: FabricOptimizer) -> None:
    """One step of the optimisers down the gradient of a loss on the whole batch."""
    for optimizer in optimizers:
        optimizer.zero_grad()
    fabric.backward(loss)
    sum_gradients(*optimizers)
    for optimizer in optimizers:
        optimizer.step()
