import platform
from pathlib import Path

import pytest
import torch

from actupose.core.device import emulates_bf16, pick_device
from actupose.errors import UserError

HAS_GPU = torch.cuda.is_available()


def test_auto_is_the_gpu_where_there_is_one():
    assert pick_device("auto") == ("cuda" if HAS_GPU else "cpu")
    assert pick_device("cpu") == "cpu"


@pytest.mark.skipif(HAS_GPU, reason="a GPU is there")
def test_a_gpu_that_is_not_there_is_a_users_mistake():
    with pytest.raises(UserError, match="device cuda: torch sees no GPU here"):
        pick_device("cuda")


@pytest.mark.skipif(platform.machine() != "x86_64", reason="reads the flags of an x86 CPU")
def test_a_cpu_without_wide_vectors_emulates_bfloat16():
    flags = Path("/proc/cpuinfo").read_text().split()
    assert emulates_bf16("cpu") == ("avx512bw" not in flags and "avx_ne_convert" not in flags)
