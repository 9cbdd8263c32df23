"""Metrics of predictions against labels: over all samples, by keypoint group and by bin (METHODS 7)."""

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor

from actupose.core.affine import scale_matrix, transform_points
from actupose.core.heatmap import peak_cells, render_gaussians
from actupose.core.metrics import (
    evalpose_angle,
    evalpose_bone,
    group_means,
    keypoint_accuracy,
    pck,
    pck_tllib_from_cells,
)
from actupose.skeleton import Skeleton
from actupose.tables import PER_BIN, make_table

NO_BIN = -1


@dataclass(frozen=True)
class Truth:
    """Labels of an evaluation split.

    Attributes:
        keypoints: (N, K, 2) pixels of the stored image; visible: (N, K).
        bins: (N,) bin of each sample, -1 where it has none; of num_bins.
        image_size: pixels; threshold: of PCK, as a share of it.
        heatmap_side, sigma: cells, for the literature's arithmetic.
    """

    keypoints: Tensor
    visible: Tensor
    bins: Tensor
    num_bins: int
    skeleton: Skeleton
    image_size: int
    threshold: float
    heatmap_side: int
    sigma: float

    @property
    def labelled(self) -> bool:
        """Whether there is any label to compare with."""
        return bool(self.visible.any())

    @property
    def hardest_third(self) -> Tensor:
        """(N,) whether a sample is in the hardest third of the bins."""
        return self.bins >= math.ceil(self.num_bins * 2 / 3)

    def digest(self, sample_ids: Sequence[str]) -> str:
        """Name what PCK is measured with: the labels, the hardest third and the threshold; not the pixels."""
        found = hashlib.sha256(f"{self.image_size} {self.threshold} {list(sample_ids)}".encode())
        for part in (self.keypoints, self.visible, self.hardest_third):
            found.update(part.numpy().tobytes())
        return found.hexdigest()[:16]

    def cells(self) -> Tensor:
        """(N, K) arg-max cell of the drawn labels, -1 where not visible: the literature's ground truth."""
        cells = transform_points(self.keypoints, scale_matrix(self.image_size, self.heatmap_side))
        drawn = torch.where(self.visible[:, :, None], cells, torch.nan)
        size = (self.heatmap_side, self.heatmap_side)
        return torch.cat([peak_cells(render_gaussians(part, size, self.sigma)) for part in drawn.split(256)])


@dataclass(frozen=True)
class PoseErrors:
    """Per-pose values (N,): share of keypoints right and both EvalPose; NaN where nothing is visible."""

    accuracy: Tensor
    angle: Tensor
    bone: Tensor


def pose_errors(predicted: Tensor, truth: Truth) -> PoseErrors:
    """Per-pose metrics of predicted keypoints (N, K, 2) px."""
    pair = (predicted, truth.keypoints, truth.visible)
    return PoseErrors(
        keypoint_accuracy(*pair, truth.image_size, truth.threshold),
        evalpose_angle(*pair, truth.skeleton.triplets),
        evalpose_bone(*pair, truth.skeleton.bones),
    )


def summarise(predicted: Tensor, cells: Tensor, truth: Truth) -> dict[str, Any]:
    """Metrics over all samples: fractions, unknown ones None.

    Args:
        predicted: (N, K, 2) px.
        cells: (N, K) arg-max cells of the predicted heat maps, -1 where the peak is not positive.
        truth: the labels.
    """
    groups = truth.skeleton.group_indices
    errors, hardest = pose_errors(predicted, truth), _pck(predicted, truth, truth.hardest_third)
    literature = pck_tllib_from_cells(cells, truth.cells(), (truth.heatmap_side, truth.heatmap_side))
    return {
        "pck": _known(group_means(_pck(predicted, truth), groups)),
        "pck_tllib": _known(group_means(literature, groups)),
        "evalpose_bone": _number(errors.bone.nanmean()),
        "evalpose_angle": _number(errors.angle.nanmean()),
        "pck_all_hardest_third": _number(group_means(hardest, groups)["all"]),
    }


def pck_all(predicted: Tensor, truth: Truth) -> float:
    """PCK over the scored keypoints."""
    return group_means(_pck(predicted, truth), truth.skeleton.group_indices)["all"]


def per_bin_table(predicted: Tensor, truth: Truth) -> pa.Table:
    """The same for every bin; NaN where labels are missing."""
    errors, rows = pose_errors(predicted, truth), []
    for index in range(truth.num_bins):
        members = truth.bins == index
        accuracy = group_means(_pck(predicted, truth, members), truth.skeleton.group_indices)["all"]
        means = (values[members].nanmean() for values in (errors.accuracy, errors.angle, errors.bone))
        keypoint, angle, bone = (float(mean) for mean in means)
        rows.append((index, int(members.sum()), keypoint, accuracy, angle, bone))
    columns: Iterable[tuple[float, ...]] = zip(*rows, strict=True)
    return make_table(PER_BIN, dict(zip(PER_BIN.names, columns, strict=True)))


def _pck(predicted: Tensor, truth: Truth, members: Tensor | None = None) -> Tensor:
    rows = slice(None) if members is None else members
    return pck(predicted[rows], truth.keypoints[rows], truth.visible[rows], truth.image_size, truth.threshold)


def _known(values: dict[str, float]) -> dict[str, float | None]:
    return {name: _number(value) for name, value in values.items()}


def _number(value: Tensor | float) -> float | None:
    """JSON has no NaN: unknown is null."""
    number = float(value)
    return None if math.isnan(number) else number
