"""Stick figures: the skeleton's bones as lines, with or without a photograph under them."""

from collections.abc import Sequence

import matplotlib.patheffects as effects
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from actupose.report.plots.look import INK
from actupose.skeleton import Skeleton

RIGHT, LEFT, MIDDLE = "#12395b", "#6aa6d6", "#9aa5b1"  # shades of one hue: no method's colour
_CELL_WIDTH = 1.3
Bone = tuple[int, int]


def draw_bones(axes: Axes, keypoints: np.ndarray, skeleton: Skeleton, color: str, width: float) -> None:
    """Bones of one (K, 2) pose in one colour, outlined so that they show on any photograph."""
    outline = [effects.Stroke(linewidth=width + 1.6, foreground="white", alpha=0.85), effects.Normal()]
    x, y = _broken_line(keypoints, skeleton.bones)
    axes.plot(x, y, color=color, linewidth=width, solid_capstyle="round", path_effects=outline)


def draw_figure(axes: Axes, keypoints: np.ndarray, skeleton: Skeleton) -> None:
    """Bones of one (K, 2) pose, the right side dark and the left side light; the head end is a dot."""
    for color in (MIDDLE, LEFT, RIGHT):
        bones = [bone for bone in skeleton.bones if _bone_color(skeleton, bone) == color]
        x, y = _broken_line(keypoints, bones)
        axes.plot(x, y, color=color, linewidth=2.2, solid_capstyle="round")
    if "head_top" in skeleton.keypoints:
        axes.plot(*keypoints[skeleton.index("head_top")], "o", color=MIDDLE, markersize=5)


def _broken_line(keypoints: np.ndarray, bones: Sequence[Bone]) -> np.ndarray:
    """(2, 3M) x and y of M bones with a gap after each: one artist draws many times faster than M."""
    gap = np.full(2, np.nan)
    points = [point for start, end in bones for point in (keypoints[start], keypoints[end], gap)]
    return np.reshape(points, (-1, 2)).T


def _bone_color(skeleton: Skeleton, bone: Bone) -> str:
    names = [skeleton.keypoints[end] for end in bone]
    if any(name.startswith("right_") for name in names):
        return RIGHT
    return LEFT if any(name.startswith("left_") for name in names) else MIDDLE


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
    if skeleton.flip_pairs:
        _name_sides(figure)
    return figure


def _name_sides(figure: Figure) -> None:
    sides = [("person's right", RIGHT), ("person's left", LEFT), ("middle", MIDDLE)]
    handles = [Line2D([], [], color=color, linewidth=2.2, label=label) for label, color in sides]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), labelcolor=INK)


def _clear_frame(axes: Axes, reach: np.ndarray) -> None:
    axes.set_xlim(-reach[0], reach[0])
    axes.set_ylim(reach[1], -reach[1])
    axes.set_aspect("equal")
    axes.set_axis_off()
