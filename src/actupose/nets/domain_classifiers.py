"""PoseDA's domain classifiers: does a feature come from a source image (1) or from a target image (0)?"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from actupose.core.indexing import index_columns
from actupose.core.rng import seeded_weights
from actupose.skeleton import Skeleton


class DomainLogits(NamedTuple):
    """One logit an image, a keypoint and a bone."""

    image: Float[Tensor, "B"]
    keypoint: Float[Tensor, "B K"]
    bone: Float[Tensor, "B bones"]


class DomainClassifiers(nn.Module):
    """Three levels: pooled backbone features, features under a keypoint, features under a bone's two ends.

    Keypoints share a hidden layer and have an output each; so do bones.
    """

    def __init__(self, features: int, channels: int, skeleton: Skeleton, hidden: int) -> None:
        super().__init__()
        self.bones = skeleton.bones
        self.image = _classifier(features, hidden, 1)
        self.keypoint = _classifier(channels, hidden, len(skeleton))
        self.bone = _classifier(2 * channels, hidden, len(skeleton.bones))

    def forward(
        self, features: Float[Tensor, "B D"], keypoint_features: Float[Tensor, "B K C"]
    ) -> DomainLogits:
        """Logits from pooled features of the image and features under its keypoints."""
        starts, ends = index_columns(self.bones, keypoint_features.device)
        pairs = torch.cat((keypoint_features[:, starts], keypoint_features[:, ends]), dim=2)
        return DomainLogits(
            self.image(features)[:, 0],
            self.keypoint(keypoint_features).diagonal(dim1=1, dim2=2),
            self.bone(pairs).diagonal(dim1=1, dim2=2),
        )


def build_classifiers(
    features: int, channels: int, skeleton: Skeleton, hidden: int, seed: int
) -> DomainClassifiers:
    """Classifiers whose random weights depend on ``seed`` alone; the global random state stays."""
    with seeded_weights(seed, "domain classifiers"):
        return DomainClassifiers(features, channels, skeleton, hidden)


def _classifier(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs))
