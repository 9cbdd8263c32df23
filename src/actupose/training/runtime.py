"""Where a run computes: alone, or as one of torchrun's ranks on this or several machines."""

import os
import warnings

import torch
import torch.distributed as dist

from actupose.core.device import emulates_bf16, pick_device
from actupose.core.ranks import rank
from actupose.errors import UserError
from actupose.nets.runtime import Runtime
from actupose.params import ComputeParams, RunParams


def start_runtime(run: RunParams, compute: ComputeParams) -> Runtime:
    """The runtime of this process; joins the other ranks if torchrun started it.

    Raises:
        UserError: the batch cannot be shared equally.
    """
    name, ranks = pick_device(compute.device), int(os.environ.get("WORLD_SIZE", "1"))
    device = torch.device(name)
    if ranks > 1:
        check_shares(run, ranks)
        device = _join_ranks(name)
    bf16 = run.precision == "bf16-mixed"
    if bf16 and emulates_bf16(name) and rank() == 0:
        warnings.warn(f"compute.precision = bf16-mixed: {name} emulates it; 32-true is faster", stacklevel=2)
    return Runtime(device, bf16, compute.channels_last, compute.compile)


def check_shares(run: RunParams, ranks: int) -> None:
    """Raise a UserError unless the batch can be shared equally."""
    batch_size = run.schedule.batch_size
    if batch_size % ranks:
        raise UserError(f"schedule.batch_size = {batch_size}: {ranks} processes cannot share it equally")


def _join_ranks(name: str) -> torch.device:
    """This rank's device; every rank of a machine has a GPU of its own."""
    device = torch.device("cpu") if name == "cpu" else torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    if dist.is_initialized():  # an earlier run of this process has joined
        return device
    if name == "cpu":
        dist.init_process_group("gloo")
    else:
        torch.cuda.set_device(device)
        dist.init_process_group("nccl", device_id=device)
    return device
