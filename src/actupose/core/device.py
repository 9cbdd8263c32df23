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
