"""Skin, nails and sleeve: the colour of every point of a hand's surface.

Palm and back differ in every hand (pale creased palm; nails and knuckles on the back), or the palm of a
left hand could not be distinguished from the back of a right one.
"""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from actupose.data.figures.colours import SKIN_TONES, fabric, pick
from actupose.data.figures.hands.body import HAND
from actupose.data.figures.hands.segments import KNUCKLES, LENGTHS
from actupose.data.figures.looks import Look
from actupose.data.figures.subject import Paint

BACK, PALM, CREASE, KNUCKLE, NAIL, SLEEVE, CUFF = range(7)


@dataclass(frozen=True)
class Skin:
    """Colours of B hands.

    Attributes:
        palette: (B, 7, 3) linear colour of each slot, 0 to 1.
        sleeve: (B,) metres from the wrist to the end of the sleeve.
        stripes: (B,) radians per metre along the sleeve, 0 for a plain one.

    """

    palette: Tensor
    sleeve: Tensor
    stripes: Tensor


def sample_skin(rng: torch.Generator, count: int, look: Look) -> Skin:
    """Plain sleeves in the synthetic look, mostly striped ones in the photo look."""
    back = pick(rng, SKIN_TONES, count) + 0.03 * torch.randn(count, 3, generator=rng)
    palm = torch.lerp(back, torch.tensor([0.98, 0.78, 0.70]), 0.5)
    pale = back.mean(1, keepdim=True) > 0.6
    natural = torch.where(pale, torch.tensor([0.86, 0.47, 0.47]), torch.tensor([0.95, 0.80, 0.76]))
    polish = torch.rand(count, 1, generator=rng) < 0.3
    nail = torch.where(polish, fabric(rng, count), natural)
    sleeve, cuff = fabric(rng, count), fabric(rng, count)
    palette = [back, palm, 0.62 * palm, 0.78 * back * torch.tensor([1.05, 0.95, 0.95]), nail, sleeve, cuff]
    plain = torch.rand(count, generator=rng) < (1.0 if look == "synthetic" else 0.4)
    stripes = 2 * torch.pi / (0.012 + 0.02 * torch.rand(count, generator=rng))
    return Skin(
        palette=torch.stack(palette, 1).clamp(0.0, 1.0),
        sleeve=torch.tensor([0.03, 0.07, 1.0])[torch.randint(3, (count,), generator=rng)],
        stripes=torch.where(plain, 0.0, stripes),
    )


def _parts(*endings: str) -> Tensor:
    """(P,) parts whose name ends so."""
    return torch.tensor([part.name.endswith(endings) for part in HAND.parts])


_ON_ARM, _ON_TIP, _ON_MIDDLE = _parts("arm"), _parts("distal"), _parts("middle")
_ON_PALM, _ON_METACARPAL = _parts("metacarpal", "palm", "heel"), _parts("metacarpal")
_PALMAR_FROM = torch.where(_ON_PALM | _ON_ARM, 0.004, 0.0)
"""Height z (P,) in metres from which a part's skin is the palm's."""

_FINGER = [part.name.partition("_")[0] for part in HAND.parts]
_NAIL_FROM = torch.tensor([0.45 * LENGTHS.get(finger, (0.0,) * 3)[2] for finger in _FINGER])
_NAIL_HALF = torch.tensor([0.0075 if finger == "thumb" else 0.0055 for finger in _FINGER])
_KNUCKLE = torch.tensor([KNUCKLES.get(finger, (0.0, 0.0, 0.0)) for finger in _FINGER])
_CUFF_WIDTH = 0.012
_LINE = 0.0017
"""Half the width of a crease in metres: a person's are finer, but these are to show at 64 pixels."""


def _in_palm_line(x: Tensor, y: Tensor) -> Tensor:
    """Whether a point (N,) of the palm is on its lines: heart, head and, around the thumb's ball, life."""
    heart = ((y - 0.068 - 0.25 * x).abs() < _LINE) & (x > -0.014)
    head = ((y - 0.054 + 0.3 * x).abs() < _LINE) & (x < 0.024)
    life = ((torch.hypot(x + 0.036, y - 0.03) - 0.034).abs() < _LINE) & (x > -0.03)
    return heart | head | life


def _on_crease(part: Tensor, local: Tensor) -> Tensor:
    """Whether points (N,) are on the palm's lines or at a joint of a finger; for palmar skin."""
    x, y, _ = local.unbind(1)
    joint = (_ON_TIP | _ON_MIDDLE)[part] & (y.abs() < _LINE)
    return joint | (_ON_PALM[part] & _in_palm_line(x, y))


def _on_knuckle(part: Tensor, local: Tensor) -> Tensor:
    """Whether points (N,) are over one of the inner two joints of a finger; for the skin of the back."""
    x, y = (local - _KNUCKLE[part])[:, :2].unbind(1)
    first = _ON_METACARPAL[part] & (torch.hypot(x, y) < 0.007)
    return first | (_ON_MIDDLE[part] & (local[:, 1].abs() < 0.005))


def _on_nail(part: Tensor, local: Tensor) -> Tensor:
    x, y, z = local.unbind(1)
    return _ON_TIP[part] & (z < -0.001) & (y > _NAIL_FROM[part]) & (x.abs() < _NAIL_HALF[part])


def surface_slots(figure: Tensor, part: Tensor, local: Tensor, sleeve: Tensor) -> Tensor:
    """Palette slot (N,) of surface points: ``local`` (N, 3) in the frame of the part's segment."""
    _, y, z = local.unbind(1)
    palmar = z > _PALMAR_FROM[part] - 0.3 * y.clamp(max=0.0)  # pale skin narrows along the forearm
    slot = torch.where(palmar, PALM, BACK)
    slot[palmar & _on_crease(part, local)] = CREASE
    slot[~palmar & _on_knuckle(part, local)] = KNUCKLE
    slot[_on_nail(part, local)] = NAIL
    beyond = torch.where(_ON_ARM[part], -y - sleeve[figure], -1.0)
    slot[beyond > 0.0] = CUFF
    slot[beyond > _CUFF_WIDTH] = SLEEVE
    return slot


def surface_albedo(figure: Tensor, part: Tensor, local: Tensor, skin: Skin) -> Tensor:
    """Colour (N, 3) of surface points, 0 to 1."""
    slot = surface_slots(figure, part, local, skin.sleeve)
    striped = (slot == SLEEVE) & ((skin.stripes[figure] * local[:, 1]).sin() > 0.3)
    slot[striped] = CUFF
    return skin.palette[figure, slot]


def dress(rng: torch.Generator, count: int, look: Look) -> Paint:
    """Skin and sleeves of ``count`` hands, as the colours that they give to surface points."""
    return partial(surface_albedo, skin=sample_skin(rng, count, look))
