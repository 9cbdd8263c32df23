"""A model with random weights whose heat maps have clear peaks: rounding moves no keypoint."""

import torch
from tiny_domains import SIDE, tiny_params

from actupose.nets.pose_model import ModelInfo, PoseModel
from actupose.nets.pose_resnet import build_network


def peaked_model() -> PoseModel:
    params = tiny_params()
    info = ModelInfo(skeleton="body16", image_size=SIDE, network=params.network, heatmap=params.heatmap)
    network = build_network(16, params.network, 0).eval()
    images = torch.rand(4, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        network.head[-1].weight.mul_(4 / network(images).heatmaps.std())
    return PoseModel(network, info).eval()
