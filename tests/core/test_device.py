import pytest
import torch

from actupose.core.device import pick_device
from actupose.errors import UserError

HAS_GPU = torch.cuda.is_available()


def test_auto_is_the_gpu_where_there_is_one():
    assert pick_device("auto") == ("cuda" if HAS_GPU else "cpu")
    assert pick_device("cpu") == "cpu"


@pytest.mark.skipif(HAS_GPU, reason="a GPU is there")
def test_a_gpu_that_is_not_there_is_a_users_mistake():
    with pytest.raises(UserError, match="device cuda: torch sees no GPU here"):
        pick_device("cuda")
