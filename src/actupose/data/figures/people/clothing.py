"""What a figure wears and the colour of every point of its surface.

Front and back differ in every figure (face against hair, a marked shirt front, feet), or left and right could
not be told from the picture.
"""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from actupose.data.figures.colours import SKIN_TONES, fabric, pick
from actupose.data.figures.looks import Look
from actupose.data.figures.people.body import BODY
from actupose.data.figures.subject import Paint

SKIN, HAIR, SHIRT, TROUSERS, SHOES, TRIM, EYES, LIPS = range(8)
_PART_SLOT = {
    "hips": TROUSERS, "belly": SHIRT, "ribcage": SHIRT, "neck": SKIN, "head": SKIN, "hair": HAIR,
    "long_hair": HAIR, "nose": SKIN, "hand": SKIN, "collar": SHIRT, "upper_arm": SHIRT, "forearm": SHIRT,
    "thigh": TROUSERS, "shin": TROUSERS, "foot": SHOES,
}  # fmt: skip
_SLEEVED = {"upper_arm": (0.0, 0.285), "forearm": (1.0, 0.25), "thigh": (0.0, 0.43), "shin": (1.0, 0.41)}

_HAIR_COLOURS = torch.tensor(
    [[0.07, 0.06, 0.05], [0.20, 0.12, 0.07], [0.36, 0.22, 0.11], [0.78, 0.62, 0.33], [0.55, 0.22, 0.10],
     [0.62, 0.61, 0.60]]
)  # fmt: skip


def _bare_name(name: str) -> str:
    return name.removeprefix("right_").removeprefix("left_")


_SLOT = torch.tensor([_PART_SLOT[_bare_name(part.name)] for part in BODY.parts])
_SLEEVE = torch.tensor([_SLEEVED.get(_bare_name(part.name), (-9.0, 1.0)) for part in BODY.parts])
_HEAD = next(e for e in BODY.ellipsoids if e.name == "head")


@dataclass(frozen=True)
class Wardrobe:
    """Clothes of B figures.

    Attributes:
        palette: (B, 8, 3) linear colour of each slot, 0 to 1.
        coverage: (B, 2) how far sleeves and trouser legs reach: 1 to elbow or knee, 2 to wrist or ankle.
        front: (B,) mark on the shirt front: 0 print, 1 open jacket, 2 neckline and buttons.
        second: (B, 2, 3) second colour of the pattern on shirt and trousers.
        pattern: (B, 2) 0 plain, 1 stripes, 2 checks, 3 blotches.
        wave: (B, 2, 3, 3) spatial frequencies in radians per metre of the pattern's three waves.

    """

    palette: Tensor
    coverage: Tensor
    front: Tensor
    second: Tensor
    pattern: Tensor
    wave: Tensor


def _marks(rng: torch.Generator, shirt: Tensor) -> Tensor:
    """Colours (B, 3) that stand out from the shirt."""
    contrast = torch.where(shirt.mean(1, keepdim=True) > 0.45, 0.12, 0.95)
    return (contrast + 0.25 * (torch.rand(shirt.shape, generator=rng) - 0.5)).clamp(0.0, 1.0)


def sample_wardrobe(rng: torch.Generator, count: int, look: Look) -> Wardrobe:
    """Plain clothes in the synthetic look, mostly patterned ones in the photo look."""
    shirt, trousers, shoes = (fabric(rng, count) for _ in range(3))
    skin = pick(rng, SKIN_TONES, count) + 0.03 * torch.randn(count, 3, generator=rng)
    hair = pick(rng, _HAIR_COLOURS, count)
    like_skin = (hair - skin).abs().sum(1, keepdim=True) < 0.35
    hair = torch.where(like_skin, 0.05, hair)  # the hairline is what tells a face from the back of a head
    eyes = torch.where(skin.mean(1, keepdim=True) > 0.4, 0.06, 0.92).expand(-1, 3)
    lips = 0.6 * skin * torch.tensor([1.1, 0.7, 0.7])
    palette = [skin, hair, shirt, trousers, shoes, _marks(rng, shirt), eyes, lips]
    coverage = torch.tensor([0.45, 1.15, 2.5])[torch.randint(3, (count, 2), generator=rng)]
    plain_share = 1.0 if look == "synthetic" else 0.3
    pattern = torch.randint(1, 4, (count, 2), generator=rng)
    pattern[torch.rand(count, 2, generator=rng) < plain_share] = 0
    return Wardrobe(
        palette=torch.stack(palette, 1).clamp(0.0, 1.0),
        coverage=coverage,
        front=torch.randint(3, (count,), generator=rng),
        second=torch.stack([fabric(rng, count), fabric(rng, count)], 1),
        pattern=pattern,
        wave=_sample_waves(rng, count),
    )


def _sample_waves(rng: torch.Generator, count: int) -> Tensor:
    """Spatial frequencies (B, 2, 3, 3): two nearly upright crossing waves for weaves and a free one."""
    pitch = 2 * torch.pi / (0.07 + 0.10 * torch.rand(count, 2, 1, 1, generator=rng))
    tilt = torch.randn(count, 2, 3, 3, generator=rng) * torch.tensor([[0.15], [0.15], [0.7]])
    return pitch * (tilt + torch.tensor([[0.0, 1.0, 0.0], [0.8, 0.0, 0.6], [0.0, 0.0, 0.0]]))


def _face_slots(slot: Tensor, on_head: Tensor, local: Tensor) -> None:
    """Eyes, lips and hairline on the head, larger than life so that they survive at 64 pixels; in place."""
    unit = (local[on_head] - torch.tensor(_HEAD.centre)) / torch.tensor(_HEAD.radii)
    x, y, z = unit[:, 0].abs(), unit[:, 1], unit[:, 2]
    face = slot[on_head]
    face[(x > 0.16) & (x < 0.62) & (y > 0.0) & (y < 0.30) & (z > 0)] = EYES
    face[(x < 0.36) & (y > -0.62) & (y < -0.42) & (z > 0)] = LIPS
    face[(y > 0.62) | ((z < 0.05) & (y > -0.45))] = HAIR
    slot[on_head] = face


def _shirt_slots(slot: Tensor, on_chest: Tensor, local: Tensor, front: Tensor) -> None:
    """Mark the front of the ribcage; in place."""
    x, y, z = local[on_chest].unbind(1)
    style = front[on_chest]
    shirt = slot[on_chest]
    shirt[(style == 0) & (x.abs() < 0.085) & (y > 0.0) & (y < 0.17) & (z > 0)] = TRIM
    shirt[(style == 1) & (x.abs() < 0.06) & (z > 0)] = TRIM
    shirt[(style == 2) & (x.abs() < 0.018) & (z > 0)] = TRIM
    shirt[(style == 2) & (y > 0.12 + 1.3 * x.abs()) & (z > 0)] = SKIN
    slot[on_chest] = shirt


def _belly_slots(slot: Tensor, on_belly: Tensor, local: Tensor, front: Tensor) -> None:
    """Go on with the open jacket below the chest; in place."""
    x, _, z = local[on_belly].unbind(1)
    belly = slot[on_belly]
    belly[(front[on_belly] == 1) & (x.abs() < 0.055) & (z > 0)] = TRIM
    slot[on_belly] = belly


def surface_slots(figure: Tensor, part: Tensor, local: Tensor, wardrobe: Wardrobe) -> Tensor:
    """Palette slot (N,) of surface points: ``local`` (N, 3) in the frame of the part's segment."""
    slot = _SLOT[part]
    first, length = _SLEEVE[part].unbind(1)
    reach = wardrobe.coverage[figure, (slot == TROUSERS).long()]
    slot[first - local[:, 1] / length > reach] = SKIN
    _face_slots(slot, (part == BODY.part_index["head"]).nonzero()[:, 0], local)
    front = wardrobe.front[figure]
    _shirt_slots(slot, (part == BODY.part_index["ribcage"]).nonzero()[:, 0], local, front)
    _belly_slots(slot, (part == BODY.part_index["belly"]).nonzero()[:, 0], local, front)
    return slot


def _pattern_mask(kind: Tensor, wave: Tensor, local: Tensor) -> Tensor:
    """Where (N,) the second colour shows, for patterns (N,) of waves (N, 3, 3) at ``local`` (N, 3)."""
    a, b, c = (wave * local[:, None]).sum(-1).sin().unbind(1)
    stripes = (kind == 1) & (a > 0.2)
    checks = (kind == 2) & (a * b > 0)
    return stripes | checks | ((kind == 3) & (a * b + c > 0.35))


def surface_albedo(figure: Tensor, part: Tensor, local: Tensor, wardrobe: Wardrobe) -> Tensor:
    """Colour (N, 3) of surface points, 0 to 1."""
    slot = surface_slots(figure, part, local, wardrobe)
    albedo = wardrobe.palette[figure, slot]
    garment = (slot == TROUSERS).long()
    patterned = ((slot == SHIRT) | (slot == TROUSERS)) & (wardrobe.pattern[figure, garment] > 0)
    at = patterned.nonzero()[:, 0]
    key = figure[at], garment[at]
    shown = at[_pattern_mask(wardrobe.pattern[key], wardrobe.wave[key], local[at])]
    albedo[shown] = wardrobe.second[figure[shown], garment[shown]]
    return albedo


def dress(rng: torch.Generator, count: int, look: Look) -> Paint:
    """Clothes of ``count`` people, as the colours that they give to surface points."""
    return partial(surface_albedo, wardrobe=sample_wardrobe(rng, count, look))
