"""Transfer of style between batches: low-frequency amplitudes (FDA, Yang and Soatto, CVPR 2020), AdaIN."""

import torch
from jaxtyping import Float
from torch import Tensor


def mix_amplitudes(
    content: Float[Tensor, "B C H W"],
    style: Float[Tensor, "B C H W"],
    mix: float | Float[Tensor, ""],
    band: float,
) -> Float[Tensor, "B C H W"]:
    """Draw the amplitudes of the content's low frequencies towards those of the style; phases stay.

    Args:
        content: RGB in 0..1; sample i takes the amplitudes of ``style``'s sample i.
        style: RGB in 0..1.
        mix: 0 leaves the content, 1 takes the style's amplitudes.
        band: highest frequency touched along either axis, cycles a pixel (FDA's beta); 0 is the mean colour.

    Returns:
        RGB, clipped to 0..1.
    """
    height, width = content.shape[-2:]
    spectrum = torch.fft.rfft2(content)
    amplitude, style_amplitude = spectrum.abs(), torch.fft.rfft2(style).abs()
    rows = torch.fft.fftfreq(height, device=content.device).abs() <= band
    columns = torch.fft.rfftfreq(width, device=content.device) <= band
    is_low = rows[:, None] & columns
    factor = torch.where(is_low, torch.lerp(amplitude, style_amplitude, mix) / amplitude.clamp(min=1e-6), 1.0)
    mixed: Tensor = torch.fft.irfft2(spectrum * factor, s=(height, width))
    return mixed.clamp(0, 1)


def match_colours(
    content: Float[Tensor, "B 3 H W"], style: Float[Tensor, "B 3 h w"], mix: float | Float[Tensor, ""]
) -> Float[Tensor, "B 3 H W"]:
    """Images with the means and deviations of another's colours: ``match_statistics`` of RGB, clipped."""
    return match_statistics(content, style, mix).clamp(0, 1)


def match_statistics(
    content: Float[Tensor, "B C H W"], style: Float[Tensor, "B C h w"], mix: float | Float[Tensor, ""]
) -> Float[Tensor, "B C H W"]:
    """AdaIN (Huang and Belongie, ICCV 2017, eq. 8): a content's features with a style's means and deviations.

    Args:
        content: features; sample i takes its statistics from ``style``'s sample i.
        style: features of the same layer.
        mix: 0 leaves the content, 1 takes the style's statistics.
    """
    (mean_c, std_c), (mean_s, std_s) = channel_statistics(content), channel_statistics(style)
    return torch.lerp(content, (content - mean_c) / std_c * std_s + mean_s, mix)


def channel_statistics(
    features: Float[Tensor, "B C H W"],
) -> tuple[Float[Tensor, "B C 1 1"], Float[Tensor, "B C 1 1"]]:
    """Mean and deviation over space; 1e-5 is added to the unbiased variance."""
    variance, mean = torch.var_mean(features, dim=(2, 3), keepdim=True)
    return mean, (variance + 1e-5).sqrt()
