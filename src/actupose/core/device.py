"""The device a process computes on."""

from typing import Literal

import torch

from actupose.errors import UserError

DeviceName = Literal["auto", "cpu", "cuda"]


def pick_device(wanted: DeviceName) -> Literal["cpu", "cuda"]:
    """Resolve ``auto``: the GPU where there is one.

    Raises:
        UserError: a GPU is wanted and torch sees none.
    """
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cuda" and not torch.cuda.is_available():
        raise UserError("device cuda: torch sees no GPU here; take auto or cpu")
    return wanted


def emulates_bf16(device: Literal["cpu", "cuda"]) -> bool:
    """Whether bfloat16 takes many times as long as 32 bit, for want of vector instructions."""
    if device == "cuda":
        return not torch.cuda.is_bf16_supported(including_emulation=False)
    return not (torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported())
