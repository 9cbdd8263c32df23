"""Training losses. Heat-map losses come unreduced; ``masked_mean`` reduces them in sight of the caller."""

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from actupose.core.angles import bone_cosines
from actupose.core.heatmap import peak_cells, render_windows
from actupose.core.indexing import index_columns


def heatmap_mse(pred: Float[Tensor, "B K h w"], target: Float[Tensor, "B K h w"]) -> Float[Tensor, "B K"]:
    """Mean over cells of (pred - target)^2 / 2 (RegDA's source-only loss, UDAPE eq. 1)."""
    return 0.5 * (pred - target).square().mean((-2, -1))


def heatmap_kl(pred: Float[Tensor, "B K h w"], target: Float[Tensor, "B K h w"]) -> Float[Tensor, "B K"]:
    """KL(target || softmax(pred)) over the cells of each map (RegDA, CVPR 2021).

    Args:
        pred: logits.
        target: not negative; normalised here to sum 1.

    Returns:
        Nats; value and gradient are 0 where the target is all zero.
    """
    target = target.flatten(-2)
    share = target / target.sum(-1, keepdim=True).clamp(min=torch.finfo(target.dtype).tiny)
    # Not torch.xlogy, which computes one cell at a time on a CPU.
    negative_entropy = share * share.clamp(min=torch.finfo(share.dtype).tiny).log()
    return (negative_entropy - share * pred.flatten(-2).log_softmax(-1)).sum(-1)


def masked_mean(values: Float[Tensor, "*shape"], mask: Bool[Tensor, "*shape"]) -> Float[Tensor, ""]:
    """Mean of the values where the mask is true; 0 without gradient where it is nowhere.

    Args:
        values: what the mask leaves out may be NaN.
        mask: which values count.
    """
    return torch.where(mask, values, 0).sum() / mask.sum().clamp(min=1)


def weighted_mean(values: Float[Tensor, "*shape"], weight: Float[Tensor, "*shape"]) -> Float[Tensor, ""]:
    """Mean of the values by weight; 0 without gradient where all weights are 0.

    Args:
        values: where the weight is 0 they may be NaN.
        weight: not negative.
    """
    total = weight.sum().clamp(min=torch.finfo(weight.dtype).tiny)
    return torch.where(weight > 0, values * weight, 0).sum() / total


def relative_squared_error(
    pred: Float[Tensor, "B K h w"], target: Float[Tensor, "B K h w"]
) -> Float[Tensor, "B K"]:
    """Squared difference of each map as a share of the target's own squares: 1 for a map that is empty."""
    energy = target.square().sum((-2, -1)).clamp(min=torch.finfo(target.dtype).tiny)
    return (pred - target).square().sum((-2, -1)) / energy


def evalpose_loss(
    pred: Float[Tensor, "B K 2"],
    true: Float[Tensor, "B K 2"],
    keep: Bool[Tensor, "B K"],
    bones: Sequence[Sequence[int]],
) -> Float[Tensor, ""]:
    """Minus the mean cosine between predicted and true bones (P2 eq. 5).

    Eq. 5 sums over bones; the mean keeps the loss weight independent of the skeleton.

    Args:
        pred: keypoints in any frame, soft-argmax of the prediction.
        true: labels or pseudo-labels of the same domain and frame; may be NaN where not kept.
        keep: which keypoints count; a bone counts if both its ends are kept and the true bone has a length.
        bones: rows of (start, end) keypoint positions.

    Returns:
        -1 to 1; 0 without gradient where no bone counts. A predicted bone without length counts as 0.
    """
    cosine, is_defined = bone_cosines(pred, true, bones)
    starts, ends = index_columns(bones, keep.device)
    return -masked_mean(cosine, is_defined & keep[:, starts] & keep[:, ends])


def cross_domain_loss(
    features_s: Float[Tensor, "S D"],
    features_t: Float[Tensor, "T D"],
    difference: Float[Tensor, "S T"],
    gamma: float,
) -> Float[Tensor, ""]:
    """Minus the mean cosine of features over the pairs of like poses (P2 eq. 7).

    Args:
        features_s: source features of the student.
        features_t: target features of the teacher.
        difference: mean angular difference, radians; a NaN pair is not selected.
        gamma: pairs below it are alike, radians.

    Returns:
        -1 to 1; 0 without gradient where no pair is selected.
    """
    source, target = F.normalize(features_s, dim=-1, eps=1e-6), F.normalize(features_t, dim=-1, eps=1e-6)
    return -masked_mean(source @ target.T, difference < gamma)


def selected_fraction(difference: Float[Tensor, "S T"], gamma: float) -> Float[Tensor, ""]:
    """Share of the pairs that ``cross_domain_loss`` selects; a NaN pair is not selected."""
    return (difference < gamma).float().mean()


def regression_disparity(
    pred: Float[Tensor, "B K h w"],
    pred_adv: Float[Tensor, "B K h w"],
    weight: Float[Tensor, "B K"],
    mode: Literal["min", "max"],
    sigma: float = 2.0,
) -> Float[Tensor, ""]:
    """RegDA's disparity between the main and the adversarial head (CVPR 2021; arithmetic of its public code).

    ``min`` draws the adversary to the main head's keypoint, ``max`` to where the other keypoints of the image
    are, so that both steps are minimisations. No gradient reaches ``pred``. Weightless keypoints stay in the
    mean's denominator.

    Args:
        pred: heat maps or logits of the main head.
        pred_adv: logits of the adversarial head.
        weight: of each keypoint.
        mode: which of the two targets.
        sigma: standard deviation of the pseudo-label, cells; cut to a square of +-3 sigma.

    Returns:
        Nats.
    """
    cells = peak_cells(pred).clamp(min=0)  # a map without a positive cell points to the corner, as in RegDA
    own = render_windows(cells, pred.shape[-2], pred.shape[-1], sigma)
    target = own if mode == "min" else (own.sum(1, keepdim=True) - own).clamp(0, 1)
    return (weight * heatmap_kl(pred_adv, target + 1e-7)).mean()
