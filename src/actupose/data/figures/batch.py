"""Figures by index: pose, body, camera and look of figure i follow from (seed, stream, i) alone."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from actupose.core.rng import generator, numpy_generator
from actupose.data.figures.anatomy import Anatomy, Shape, Solids
from actupose.data.figures.camera import Framing, View, fit_view, supersampled, view_points, view_solids
from actupose.data.figures.hands import HANDS
from actupose.data.figures.kinematics import Frames
from actupose.data.figures.looks import (
    Look,
    compose_photo,
    compose_synthetic,
    degrade,
    rasterise,
    sample_light,
    shade,
    to_bytes,
)
from actupose.data.figures.people import PEOPLE
from actupose.data.figures.poses import PoseMix
from actupose.data.figures.render import Hits, cast_rays, keypoints_unoccluded
from actupose.data.figures.scenery import hidden_by_occluder
from actupose.data.figures.subject import Subject
from actupose.errors import UserError
from actupose.skeleton import SkeletonName

CHUNK = 64
"""Figures drawn and rendered together; random draws and float rounding depend on it, so it is fixed."""

_SUPERSAMPLING = 2

SUBJECTS: dict[SkeletonName, Subject] = {"body16": PEOPLE, "hand21": HANDS}


@dataclass(frozen=True)
class FigureBatch:
    """Rendered figures.

    Attributes:
        images: uint8 (B, H, W, 3), RGB.
        keypoints: float32 (B, K, 2), pixels, in the skeleton's order, always finite.
        visible: bool (B, K), inside the image and not hidden by the figure itself or by an occluder.
        category: int64 (B,), 0 everyday, 1 moderate, 2 rare.

    """

    images: NDArray[np.uint8]
    keypoints: NDArray[np.float32]
    visible: NDArray[np.bool_]
    category: NDArray[np.int64]


@dataclass(frozen=True)
class Scene:
    """Posed figures before a camera.

    Attributes:
        solids: primitives in the world.
        keypoints: (B, K, 3) in the view frame.
        unoccluded: (B, K) no other part hides the keypoint.

    """

    anatomy: Anatomy
    frames: Frames
    solids: Solids
    view: View
    keypoints: Tensor
    unoccluded: Tensor


def place_figures(anatomy: Anatomy, angles: Tensor, shape: Shape, framing: Framing, side: int) -> Scene:
    """Scene of angles (B, D) in radians for images of ``side`` pixels."""
    frames = anatomy.frames(angles, shape)
    solids = anatomy.solids(frames, shape)
    view = fit_view(anatomy, solids, framing, side)
    keypoints = view_points(view, anatomy.keypoints(frames))
    margin = anatomy.flesh * view.scale
    unoccluded = keypoints_unoccluded(view_solids(view, solids), keypoints, anatomy.carries, margin)
    return Scene(anatomy, frames, solids, view, keypoints, unoccluded)


def _local_points(hits: Hits, scene: Scene, view: View) -> Tensor:
    """Surface points (N, 3), given in ``view``, in the frames of their segments."""
    frames = scene.frames
    local_from_view = frames.rotation.mT @ view.rotation.mT[:, None] / view.scale[:, None, None, None]
    local_from_view = local_from_view / frames.stretch[..., None]
    origin = view_points(view, frames.origin)
    at = hits.figure * origin.shape[1] + scene.anatomy.part_segment[hits.part]
    matrix, origin = (v.flatten(0, 1).index_select(0, at) for v in (local_from_view, origin))
    return (matrix * (hits.point - origin)[:, None]).sum(-1)


def _paint_figures(
    subject: Subject, scene: Scene, look: Look, rng: torch.Generator, side: int
) -> tuple[Tensor, Tensor]:
    """Premultiplied colour (B, 3, H, W) and coverage (B, 1, H, W) of the lit and dressed figures."""
    count, fine_side = len(scene.unoccluded), side * _SUPERSAMPLING
    view = supersampled(scene.view, _SUPERSAMPLING)
    hits = cast_rays(view_solids(view, scene.solids), fine_side)
    paint = subject.dress(rng, count, look)
    albedo = paint(hits.figure, hits.part, _local_points(hits, scene, view))
    colour = shade(hits, albedo, sample_light(rng, count, look))
    return rasterise(hits, colour, count, fine_side, _SUPERSAMPLING)


def _sample_scene(
    subject: Subject, seed: int, stream: str, chunk: int, pose_mix: PoseMix, side: int
) -> tuple[Scene, Tensor]:
    """Scene of a chunk's figures and the category (B,) of their poses."""
    rng = generator(seed, f"figures/{stream}/pose", chunk)
    poses = subject.sample_poses(rng, CHUNK, pose_mix)
    shape, framing = subject.sample_shape(rng, CHUNK), subject.sample_framing(rng, CHUNK)
    return place_figures(subject.anatomy, poses.angles, shape, framing, side), poses.category


def _render_chunk(
    subject: Subject, seed: int, stream: str, chunk: int, look: Look, pose_mix: PoseMix, side: int
) -> FigureBatch:
    """Figures ``chunk * CHUNK`` to ``(chunk + 1) * CHUNK - 1``.

    The look draws from a stream of its own, so that both looks show the same bodies in the same poses.
    """
    scene, category = _sample_scene(subject, seed, stream, chunk, pose_mix, side)
    look_rng = generator(seed, f"figures/{stream}/{look}", chunk)
    colour, coverage = _paint_figures(subject, scene, look, look_rng, side)
    keypoints = scene.keypoints[..., :2]
    visible = scene.unoccluded & ((keypoints >= -0.5) & (keypoints < side - 0.5)).all(-1)
    if look == "synthetic":
        images = compose_synthetic(look_rng, colour, coverage)
    else:
        shapes = numpy_generator(seed, f"figures/{stream}/shapes", chunk)
        images, masks = compose_photo(look_rng, shapes, colour, coverage)
        images = degrade(look_rng, images)
        visible = visible & ~hidden_by_occluder(masks, keypoints)
    return FigureBatch(to_bytes(images).numpy(), keypoints.numpy(), visible.numpy(), category.numpy())


def _check_request(indices: range, pose_mix: PoseMix, side: int) -> None:
    """Raise a UserError for a request that has no meaning."""
    if len(indices) == 0 or min(indices) < 0:
        raise UserError(f"figures: indices must be a non-empty range of non-negative numbers, got {indices}")
    if min(pose_mix) < 0 or abs(sum(pose_mix) - 1.0) > 1e-6:
        raise UserError(f"figures: pose_mix must be three shares that sum to 1, got {pose_mix}")
    if side < 16:
        raise UserError(f"figures: side must be at least 16 pixels, got {side}")


def render_figures(
    seed: int,
    stream: str,
    indices: range,
    look: Look,
    pose_mix: PoseMix,
    side: int,
    skeleton: SkeletonName = "body16",
) -> FigureBatch:
    """Render figures of an endless list; each is the same bytes whatever range it is asked in.

    Args:
        seed: with ``stream``, names the list.
        stream: use, for example "source/train"; lists of different streams share no figure.
        indices: which figures; costs are per touched chunk of ``CHUNK``.
        look: "synthetic" (clean) or "photo" (textured, cluttered, disturbed); poses do not depend on it.
        pose_mix: shares of everyday, moderate and rare poses.
        side: height and width of the images in pixels.
        skeleton: its keypoints say what is drawn.

    """
    _check_request(indices, pose_mix, side)
    if look not in ("synthetic", "photo"):
        raise UserError(f"figures: look must be 'synthetic' or 'photo', got {look!r}")
    touched, at = _touched_chunks(indices)
    chunks = [
        _render_chunk(SUBJECTS[skeleton], seed, stream, chunk, look, pose_mix, side) for chunk in touched
    ]
    return FigureBatch(
        images=np.concatenate([c.images for c in chunks])[at],
        keypoints=np.concatenate([c.keypoints for c in chunks])[at],
        visible=np.concatenate([c.visible for c in chunks])[at],
        category=np.concatenate([c.category for c in chunks])[at],
    )


def place_keypoints(
    seed: int,
    stream: str,
    indices: range,
    pose_mix: PoseMix,
    side: int,
    skeleton: SkeletonName = "body16",
) -> NDArray[np.float32]:
    """Keypoints (B, K, 2), pixels, of figures that are not drawn: those of :func:`render_figures`."""
    _check_request(indices, pose_mix, side)
    touched, at = _touched_chunks(indices)
    scenes = [_sample_scene(SUBJECTS[skeleton], seed, stream, chunk, pose_mix, side)[0] for chunk in touched]
    return np.concatenate([scene.keypoints[..., :2].numpy() for scene in scenes])[at]


def _touched_chunks(indices: range) -> tuple[list[int], NDArray[np.int64]]:
    """Chunks that hold the figures, and where in them, one after the other, each is."""
    touched = sorted({i // CHUNK for i in indices})
    return touched, np.array([touched.index(i // CHUNK) * CHUNK + i % CHUNK for i in indices])
