"""Stick figures: the skeleton's bones as lines, with or without a photograph under them."""

from collections.abc import Sequence

import matplotlib.patheffects as effects
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from actupose.report.plots.look import INK
from actupose.skeleton import Skeleton

_MIDDLE = "#9aa5b1"
_SHADES = {  # by the first word of a keypoint's name: label and a shade of one hue, no method's colour
    "right": ("person's right", "#12395b"),
    "left": ("person's left", "#6aa6d6"),
    "thumb": ("thumb", "#12395b"),
    "index": ("index finger", "#2f6795"),
    "middle": ("middle finger", "#5b93c1"),
    "ring": ("ring finger", "#8fbbdd"),
    "little": ("little finger", "#9aa5b1"),
}
_CELL_WIDTH = 1.3
_PAGE_WIDTH = 5  # figures
Bone = tuple[int, int]


def draw_bones(axes: Axes, keypoints: np.ndarray, skeleton: Skeleton, color: str, width: float) -> None:
    """Bones of one (K, 2) pose in one colour, outlined so that they show on any photograph."""
    outline = [effects.Stroke(linewidth=width + 1.6, foreground="white", alpha=0.85), effects.Normal()]
    x, y = _broken_line(keypoints, skeleton.bones)
    axes.plot(x, y, color=color, linewidth=width, solid_capstyle="round", path_effects=outline)


def draw_figure(axes: Axes, keypoints: np.ndarray, skeleton: Skeleton) -> None:
    """Bones of one (K, 2) pose in shades by side or by finger; a person's head end is a dot."""
    for (_, color), bones in reversed(_bones_by_shade(skeleton).items()):
        x, y = _broken_line(keypoints, bones)
        axes.plot(x, y, color=color, linewidth=2.2, solid_capstyle="round")
    if "head_top" in skeleton.keypoints:
        axes.plot(*keypoints[skeleton.index("head_top")], "o", color=_MIDDLE, markersize=5)


def _broken_line(keypoints: np.ndarray, bones: Sequence[Bone]) -> np.ndarray:
    """(2, 3M) x and y of M bones with a gap after each: one artist draws many times faster than M."""
    gap = np.full(2, np.nan)
    points = [point for start, end in bones for point in (keypoints[start], keypoints[end], gap)]
    return np.reshape(points, (-1, 2)).T


def _bones_by_shade(skeleton: Skeleton) -> dict[tuple[str, str], list[Bone]]:
    """The skeleton's bones by the (label, colour) of what they belong to; those of the middle come last."""
    found: dict[tuple[str, str], list[Bone]] = {}
    for shade in (*_SHADES.values(), ("middle", _MIDDLE)):
        if bones := [bone for bone in skeleton.bones if _shade(skeleton, bone) == shade]:
            found[shade] = bones
    return found


def _shade(skeleton: Skeleton, bone: Bone) -> tuple[str, str]:
    words = [skeleton.keypoints[end].partition("_")[0] for end in bone]
    return next((_SHADES[word] for word in words if word in _SHADES), ("middle", _MIDDLE))


def plot_gallery(rows: list[tuple[str, np.ndarray]], skeleton: Skeleton) -> Figure:
    """One row of stick figures for each (heading, poses (M, K, 2)); all at one scale, y down."""
    num_columns = max(len(poses) for _, poses in rows)
    reach = 1.06 * np.max([np.nanmax(np.abs(poses), axis=(0, 1)) for _, poses in rows], axis=0)
    height = _CELL_WIDTH * float(np.clip(reach[1] / reach[0], 0.6, 1.6))
    figure = Figure(figsize=(10, height * len(rows) + 0.4), layout="constrained")
    grid = figure.subplots(len(rows), num_columns, squeeze=False)
    for (heading, poses), line in zip(rows, grid, strict=True):
        for axes in line:
            _clear_frame(axes, reach)
        for axes, pose in zip(line, poses, strict=False):
            draw_figure(axes, pose, skeleton)
        line[0].text(0, 0.5, heading, transform=line[0].transAxes, ha="right", va="center")
    _draw_shades(figure, skeleton)
    return figure


def plot_poses(poses: np.ndarray, captions: Sequence[str], skeleton: Skeleton) -> Figure:
    """A page of (M, K, 2) stick figures, a caption above each; all at one scale, y down."""
    num_columns = min(_PAGE_WIDTH, len(poses))
    num_rows = -(-len(poses) // num_columns)
    reach = 1.06 * np.abs(poses).max(axis=(0, 1))
    figure = Figure(figsize=(10, 2.4 * num_rows + 0.4), layout="constrained")
    grid = figure.subplots(num_rows, num_columns, squeeze=False).ravel()
    for axes in grid:
        _clear_frame(axes, reach)
    for axes, pose, caption in zip(grid, poses, captions, strict=False):
        draw_figure(axes, pose, skeleton)
        axes.set_title(caption)
    _draw_shades(figure, skeleton)
    return figure


def _draw_shades(figure: Figure, skeleton: Skeleton) -> None:
    """Legend of what the shades stand for."""
    shades = _bones_by_shade(skeleton)
    handles = [Line2D([], [], color=color, linewidth=2.2, label=label) for label, color in shades]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), labelcolor=INK)


def _clear_frame(axes: Axes, reach: np.ndarray) -> None:
    axes.set_xlim(-reach[0], reach[0])
    axes.set_ylim(reach[1], -reach[1])
    axes.set_aspect("equal")
    axes.set_axis_off()
