import os

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from actupose.nets.weight_file import write_weights


def test_weights_are_the_bytes_that_safetensors_writes(tmp_path):
    network = nn.Sequential(nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last), nn.BatchNorm2d(4))
    write_weights(tmp_path / "ours", network)
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, tmp_path / "theirs")
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()
    found = load_file(tmp_path / "ours")
    assert all(torch.equal(found[name], value) for name, value in network.state_dict().items())


def test_who_may_read_files_may_read_weights(tmp_path):
    before = os.umask(0o022)
    try:
        write_weights(tmp_path / "weights", nn.Linear(1, 1))
    finally:
        os.umask(before)
    assert (tmp_path / "weights").stat().st_mode & 0o777 == 0o644
