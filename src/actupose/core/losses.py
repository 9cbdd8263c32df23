"""Training losses. Heat-map losses come unreduced; ``masked_mean`` reduces them in sight of the caller."""

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from actupose.core.angles import bone_cosines
from actupose.core.heatmap import peak_cells, render_windows
from actupose.core.indexing import index_columns


def heatmap_mse(pred: Tensor, target: Tensor) -> Tensor:
    """Mean over cells of (pred - target)^2 / 2 (RegDA's source-only loss, UDAPE eq. 1).

    Args:
        pred: (B, K, h, w) heat maps.
        target: (B, K, h, w) heat maps.

    Returns:
        (B, K).
    """
    return 0.5 * (pred - target).square().mean((-2, -1))


def heatmap_kl(pred: Tensor, target: Tensor) -> Tensor:
    """KL(target || softmax(pred)) over the cells of each map (RegDA, CVPR 2021).

    Args:
        pred: (B, K, h, w) logits.
        target: (B, K, h, w), not negative; normalised here to sum 1.

    Returns:
        (B, K) nats; value and gradient are 0 where the target is all zero.
    """
    target = target.flatten(-2)
    share = target / target.sum(-1, keepdim=True).clamp(min=torch.finfo(target.dtype).tiny)
    # Not torch.xlogy, which computes one cell at a time on a CPU.
    negative_entropy = share * share.clamp(min=torch.finfo(share.dtype).tiny).log()
    return (negative_entropy - share * pred.flatten(-2).log_softmax(-1)).sum(-1)


def masked_mean(values: Tensor, keep: Tensor) -> Tensor:
    """Mean over the kept values; 0 without gradient where none is kept.

    Args:
        values: any shape; what is not kept may be NaN.
        keep: bool, the same shape.

    Returns:
        Scalar.
    """
    return torch.where(keep, values, 0).sum() / keep.sum().clamp(min=1)


def evalpose_loss(pred: Tensor, true: Tensor, keep: Tensor, bones: Sequence[Sequence[int]]) -> Tensor:
    """Minus the mean cosine between predicted and true bones (P2 eq. 5).

    Eq. 5 sums over bones; the mean keeps the loss weight independent of the skeleton.

    Args:
        pred: (B, K, 2) keypoints, soft-argmax of the prediction.
        true: (B, K, 2) labels or pseudo-labels of the same domain and frame; may be NaN where not kept.
        keep: (B, K) bool; a bone counts if both its ends are kept and the true bone has a length.
        bones: rows of (start, end) keypoint positions.

    Returns:
        Scalar, -1 to 1; 0 without gradient where no bone counts. A predicted bone without length counts as 0.
    """
    cosine, is_defined = bone_cosines(pred, true, bones)
    starts, ends = index_columns(bones, keep.device)
    return -masked_mean(cosine, is_defined & keep[:, starts] & keep[:, ends])


def cross_domain_loss(features_s: Tensor, features_t: Tensor, difference: Tensor, gamma: float) -> Tensor:
    """Minus the mean cosine of features over the pairs of like poses (P2 eq. 7).

    Args:
        features_s: (S, D) source features of the student.
        features_t: (T, D) target features of the teacher.
        difference: (S, T) mean angular difference, radians; a NaN pair is not selected.
        gamma: pairs below it are alike, radians.

    Returns:
        Scalar, -1 to 1; 0 without gradient where no pair is selected.
    """
    source, target = F.normalize(features_s, dim=-1, eps=1e-6), F.normalize(features_t, dim=-1, eps=1e-6)
    return -masked_mean(source @ target.T, difference < gamma)


def selected_fraction(difference: Tensor, gamma: float) -> Tensor:
    """Share of the (S, T) pairs that ``cross_domain_loss`` selects, scalar; a NaN pair is not selected."""
    return (difference < gamma).float().mean()


def regression_disparity(
    pred: Tensor, pred_adv: Tensor, weight: Tensor, mode: Literal["min", "max"], sigma: float = 2.0
) -> Tensor:
    """RegDA's disparity between the main and the adversarial head (CVPR 2021; arithmetic of its public code).

    ``min`` draws the adversary to the main head's keypoint, ``max`` to where the other keypoints of the image
    are, so that both steps are minimisations. No gradient reaches ``pred``. Weightless keypoints stay in the
    mean's denominator.

    Args:
        pred: (B, K, h, w) main head.
        pred_adv: (B, K, h, w) logits of the adversarial head.
        weight: (B, K).
        mode: which of the two targets.
        sigma: standard deviation of the pseudo-label, cells; cut to a square of +-3 sigma.

    Returns:
        Scalar, nats.
    """
    cells = peak_cells(pred).clamp(min=0)  # a map without a positive cell points to the corner, as in RegDA
    own = render_windows(cells, pred.shape[-2], pred.shape[-1], sigma)
    target = own if mode == "min" else (own.sum(1, keepdim=True) - own).clamp(0, 1)
    return (weight * heatmap_kl(pred_adv, target + 1e-7)).mean()
