import numpy as np
import pytest
import torch

from actupose.core.style import channel_statistics, match_colours, match_statistics, mix_amplitudes


def pictures(seed: int) -> torch.Tensor:
    """Mild pictures (2, 3, 16, 20), so that nothing is clipped."""
    return 0.45 + 0.1 * torch.rand(2, 3, 16, 20, generator=torch.Generator().manual_seed(seed))


def test_a_mix_of_nothing_leaves_the_picture():
    torch.testing.assert_close(mix_amplitudes(pictures(0), pictures(1), mix=0.0, band=0.2), pictures(0))


def test_the_narrowest_band_is_the_mean_colour():
    content, style = pictures(0), pictures(1) * torch.tensor([0.5, 1.0, 1.2]).view(3, 1, 1)
    found = mix_amplitudes(content, style, mix=0.25, band=0.0)
    means = content.mean((2, 3)), style.mean((2, 3))
    shift = 0.25 * (means[1] - means[0])
    torch.testing.assert_close(found, content + shift[:, :, None, None])


def test_within_the_band_amplitudes_are_the_styles_and_phases_the_contents():
    content, style, band = pictures(0), pictures(1), 0.16
    found = np.fft.fft2(mix_amplitudes(content, style, mix=1.0, band=band).numpy())
    of_content, of_style = np.fft.fft2(content.numpy()), np.fft.fft2(style.numpy())
    rows, columns = np.abs(np.fft.fftfreq(16)) <= band, np.abs(np.fft.fftfreq(20)) <= band
    low = rows[:, None] & columns
    assert low.sum() == 5 * 7  # frequencies -2..2 of 16 rows, -3..3 of 20 columns
    wanted = np.where(low, np.abs(of_style), np.abs(of_content)) * np.exp(1j * np.angle(of_content))
    np.testing.assert_allclose(found, wanted, atol=1e-3)


def test_the_result_is_a_picture():
    dark, bright = torch.zeros(1, 3, 8, 8), torch.ones(1, 3, 8, 8)
    dark[:, :, 2, 2] = 1
    found = mix_amplitudes(dark, bright, mix=1.0, band=0.2)
    assert found.min() >= 0 and found.max() <= 1


def test_statistics_are_the_mean_and_the_unbiased_deviation():
    mean, deviation = channel_statistics(torch.tensor([[[[1.0, 2.0], [3.0, 6.0]]]]))
    assert mean.item() == 3
    assert deviation.square().item() == pytest.approx(14 / 3 + 1e-5)


def test_matched_features_have_the_styles_statistics_and_the_contents_pattern():
    content, style = pictures(0), 3 * pictures(1) - 1
    found = match_statistics(content, style, mix=1.0)
    for one, other in zip(channel_statistics(found), channel_statistics(style), strict=True):
        torch.testing.assert_close(one, other, rtol=0.01, atol=1e-4)
    pattern = (content - content.mean((2, 3), keepdim=True)).sign()
    assert torch.equal((found - found.mean((2, 3), keepdim=True)).sign(), pattern)
    torch.testing.assert_close(match_statistics(content, style, mix=0.25), 0.75 * content + 0.25 * found)


def test_matched_colours_have_the_others_means_and_stay_in_range():
    random = torch.Generator().manual_seed(0)
    content, style = (0.3 + 0.2 * torch.rand(2, 3, 8, 8, generator=random) for _ in range(2))
    style = style * torch.tensor([0.5, 1.0, 1.5]).view(3, 1, 1)
    found = match_colours(content, style, 1.0)
    assert torch.allclose(found.mean((2, 3)), style.mean((2, 3)), atol=1e-4)
    assert torch.equal(match_colours(content, style, 0.0), content)
    wild = match_colours(content, torch.rand(2, 3, 8, 8).round(), 1.0)
    assert wild.min() == 0 and wild.max() == 1
