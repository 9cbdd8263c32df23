"""A predictor whose answers are known by hand, and pictures for it."""

import cv2
import numpy as np
import torch
from tiny_domains import tiny_params

from actupose.core.heatmap import render_gaussians
from actupose.inference.predictor import Predictor
from actupose.nets.pose_model import ModelInfo, PoseModel
from actupose.nets.pose_resnet import PoseOutput
from actupose.params import HeatmapParams


class FindsBrightest(torch.nn.Module):
    """Every keypoint is the middle of what is bright, with confidence 1; of the first one a tenth of it."""

    def forward(self, images: torch.Tensor) -> PoseOutput:
        grey = images.mean(1)
        mass = grey / grey.sum((1, 2), keepdim=True)
        x = (mass.sum(1) * torch.arange(images.shape[-1])).sum(-1)
        y = (mass.sum(2) * torch.arange(images.shape[-2])).sum(-1)
        middle = torch.stack((x, y), -1)[:, None].expand(-1, 16, -1)
        heatmaps = render_gaussians(middle, (images.shape[-2], images.shape[-1]), 1.5)
        heatmaps[:, 0] *= 0.1
        return PoseOutput(heatmaps, grey, grey)


def finds_brightest(side: int) -> Predictor:
    heatmap = HeatmapParams(sigma=1.5, loss="mse", decode="dark")
    network = tiny_params().network
    info = ModelInfo(skeleton="body16", image_size=side, network=network, heatmap=heatmap)
    return Predictor(PoseModel(FindsBrightest(), info))


def picture(width: int, height: int, x: int, y: int) -> np.ndarray:
    """Black with a white disc of radius 6 around (x, y)."""
    pixels = np.zeros((height, width, 3), np.uint8)
    return cv2.circle(pixels, (x, y), 6, (255, 255, 255), -1)
