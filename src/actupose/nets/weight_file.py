"""Weights of a network of ours, in one file."""

from pathlib import Path

from safetensors.torch import save
from torch import nn

from actupose.files import atomic_path


def write_weights(path: Path, network: nn.Module) -> None:
    """Write a network's weights and buffers as safetensors.

    Not by safetensors' own ``save_file``: the file would be its owner's alone, a kill would leave one of a
    random name, and a full disk would be no OSError.
    """
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    with atomic_path(path) as temporary:
        temporary.write_bytes(save(weights))
