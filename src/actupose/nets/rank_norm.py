"""BatchNorm over the whole batch when every rank holds a share of it."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from actupose.core.ranks import sum_over_ranks, world_size


class RankBatchNorm2d(nn.BatchNorm2d):
    """Statistics of all ranks' shares, on the CPU too, where torch's SyncBatchNorm does not run."""

    def forward(self, input: Float[Tensor, "share C H W"]) -> Float[Tensor, "share C H W"]:
        """This rank's share of the batch, normalised; running statistics move as those of the whole batch."""
        if not self.training:
            return super().forward(input)
        values = input.float()
        count = values.numel() // values.shape[1] * world_size()
        mean = sum_over_ranks(values.sum(dim=(0, 2, 3))) / count
        centred = values - mean[:, None, None]
        variance = sum_over_ranks(centred.square().sum(dim=(0, 2, 3))) / count
        self._update_running(mean.detach(), variance.detach() * (count / (count - 1)))
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(input.dtype)

    def _update_running(self, mean: Float[Tensor, "C"], variance: Float[Tensor, "C"]) -> None:
        assert self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None and self.momentum is not None
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)


def span_ranks(network: nn.Module, device: torch.device) -> None:
    """Make every BatchNorm inside the network one over all ranks; nothing changes in a world of one."""
    if world_size() == 1:
        return
    if device.type == "cuda":
        nn.SyncBatchNorm.convert_sync_batchnorm(network)
        return
    for module in network.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = RankBatchNorm2d  # it has the same attributes
