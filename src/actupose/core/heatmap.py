"""Heat maps: drawing keypoints as Gaussians and reading keypoints back.

A heat map peaks at about 1 where its keypoint lies; the peak value is the confidence. Coordinates are cells.
"""

from typing import Literal, get_args

import torch
from jaxtyping import Float, Int64
from torch import Tensor

DecodeMethod = Literal["argmax", "quarter", "dark"]
HeatmapLoss = Literal["mse", "kl"]


def render_gaussians(
    keypoints_hm: Float[Tensor, "B K 2"], size_hw: tuple[int, int], sigma: float
) -> Float[Tensor, "B K h w"]:
    """Draw Gaussians of height 1 centred at the sub-pixel place.

    Args:
        keypoints_hm: cells; NaN draws zeros. One beyond the border draws the tail that reaches the map.
        size_hw: rows and columns of the map.
        sigma: standard deviation, cells.
    """
    height, width = size_hw
    x, y = keypoints_hm.unbind(-1)
    return _bell(y, height, sigma)[..., :, None] * _bell(x, width, sigma)[..., None, :]


def render_windows(
    cells: Int64[Tensor, "B K"], height: int, width: int, sigma: float
) -> Float[Tensor, "B K h w"]:
    """Gaussians of height 1 at flat row-major cells, zero beyond 3 sigma along either axis."""
    dx = torch.arange(width, device=cells.device) - (cells % width)[..., None]
    dy = torch.arange(height, device=cells.device) - (cells // width)[..., None]
    column, row = (
        torch.exp(-0.5 * (offset / sigma) ** 2) * (offset.abs() <= 3 * sigma) for offset in (dx, dy)
    )
    return row[..., :, None] * column[..., None, :]


def peak_cells(heatmaps: Float[Tensor, "B K h w"]) -> Int64[Tensor, "B K"]:
    """Flat row-major index of each map's first maximum, -1 where the maximum is not positive."""
    peak, cell = heatmaps.flatten(-2).max(-1)
    return torch.where(peak > 0, cell, -1)


def decode(
    heatmaps: Float[Tensor, "B K h w"], method: DecodeMethod
) -> tuple[Float[Tensor, "B K 2"], Float[Tensor, "B K"]]:
    """Read keypoints and confidences.

    Args:
        heatmaps: as ``heatmaps_from_output`` gives them.
        method: ``argmax`` the first highest cell; ``quarter`` a quarter cell towards the higher neighbour;
            ``dark`` a Newton step on the logarithm (Zhang et al., CVPR 2020, eq. 3-7), exact for a Gaussian.
            Neither refinement moves a peak on the border.

    Returns:
        Keypoints in cells and their confidence, the peak value.

    Raises:
        ValueError: the method is unknown.
    """
    maps = _at_least_float32(heatmaps)
    height, width = maps.shape[-2:]
    confidence, flat = maps.flatten(-2).max(-1)
    x, y = flat % width, flat // width
    cells = torch.stack((x, y), -1).to(maps.dtype)
    match method:
        case "argmax":
            return cells, confidence
        case "quarter":
            step = _quarter_step(_neighbourhood(maps, x, y))
        case "dark":
            step = _newton_step(_neighbourhood(maps, x, y).clamp(min=1e-10).log())
        case _:
            raise ValueError(f"decode method {method!r}: one of {', '.join(get_args(DecodeMethod))}")
    interior = (x > 0) & (x < width - 1) & (y > 0) & (y < height - 1)
    return torch.where(interior[..., None], cells + step, cells), confidence


def soft_argmax(heatmaps: Float[Tensor, "B K h w"]) -> Float[Tensor, "B K 2"]:
    """Differentiable place of a keypoint: the mean of the cell coordinates weighted by the map.

    Args:
        heatmaps: as ``heatmaps_from_output`` gives them; values below 0 weigh nothing, and a map without a
            positive cell gives its centre.

    Returns:
        Keypoints in cells.
    """
    mass = _at_least_float32(heatmaps).clamp(min=1e-8)
    mass = mass / mass.sum((-2, -1), keepdim=True)
    height, width = mass.shape[-2:]
    columns = torch.arange(width, device=mass.device, dtype=mass.dtype)
    rows = torch.arange(height, device=mass.device, dtype=mass.dtype)
    return torch.stack(((mass.sum(-2) * columns).sum(-1), (mass.sum(-1) * rows).sum(-1)), -1)


def heatmaps_from_output(
    output: Float[Tensor, "B K h w"], loss: HeatmapLoss, sigma: float
) -> Float[Tensor, "B K h w"]:
    """Bring a network's raw output to heat maps whose perfect peak is about 1 for either loss.

    Args:
        output: heat maps of a network trained with ``mse``, logits over cells with ``kl``.
        loss: the loss of the training.
        sigma: standard deviation of the training targets, cells; a distribution with this spread times
            2 pi sigma^2 is the Gaussian of height 1.

    Raises:
        ValueError: the loss is unknown.
    """
    match loss:
        case "mse":
            return output
        case "kl":
            share = _at_least_float32(output).flatten(-2).softmax(-1).reshape(output.shape)
            return share * (2 * torch.pi * sigma**2)
        case _:
            raise ValueError(f"heat-map loss {loss!r}: one of {', '.join(get_args(HeatmapLoss))}")


def _at_least_float32(values: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    # bfloat16 has 8 bits: a coordinate near 60 would be off by a quarter cell.
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _bell(center: Float[Tensor, "B K"], length: int, sigma: float) -> Float[Tensor, "B K length"]:
    """One axis of the Gaussians, zeros where NaN."""
    position = torch.arange(length, device=center.device, dtype=center.dtype)
    return torch.exp(-0.5 * ((position - center[..., None]) / sigma) ** 2).nan_to_num(nan=0.0)


def _neighbourhood(
    maps: Float[Tensor, "B K h w"], x: Int64[Tensor, "B K"], y: Int64[Tensor, "B K"]
) -> Float[Tensor, "B K 3 3"]:
    """Gather the 3 x 3 cells around (x, y), rows first; border cells repeat."""
    height, width = maps.shape[-2:]
    around = torch.arange(-1, 2, device=maps.device)
    rows = (y[..., None] + around).clamp(0, height - 1)
    columns = (x[..., None] + around).clamp(0, width - 1)
    flat = rows[..., :, None] * width + columns[..., None, :]
    return maps.flatten(-2).gather(-1, flat.flatten(-2)).reshape(flat.shape)


def _quarter_step(cells: Float[Tensor, "B K 3 3"]) -> Float[Tensor, "B K 2"]:
    """A quarter cell towards the higher neighbour of either axis."""
    slope = torch.stack((cells[..., 1, 2] - cells[..., 1, 0], cells[..., 2, 1] - cells[..., 0, 1]), -1)
    return 0.25 * slope.sign()


def _newton_step(log_cells: Float[Tensor, "B K 3 3"]) -> Float[Tensor, "B K 2"]:
    """The step from log heights to the top of the parabola, zero where it has none."""
    left, right, up, down = (log_cells[..., i, j] for i, j in ((1, 0), (1, 2), (0, 1), (2, 1)))
    dx, dy = (right - left) / 2, (down - up) / 2
    dxx, dyy = right - 2 * log_cells[..., 1, 1] + left, down - 2 * log_cells[..., 1, 1] + up
    dxy = (log_cells[..., 2, 2] - log_cells[..., 2, 0] - log_cells[..., 0, 2] + log_cells[..., 0, 0]) / 4
    determinant = dxx * dyy - dxy**2
    is_top = (dxx < 0) & (determinant > 0)
    step = torch.stack((dxy * dy - dyy * dx, dxy * dx - dxx * dy), -1)
    step = step / torch.where(is_top, determinant, 1)[..., None]
    # The highest cell holds the peak: a longer step is noise of a flat map.
    return torch.where(is_top[..., None], step.clamp(-0.5, 0.5), 0)
