"""Figure of predictions beside labels: one photograph a row, one method a column."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from actupose.report.photos import Photo, Prediction
from actupose.report.plots.look import INK, MethodLook, MethodLooks
from actupose.report.plots.skeletons import draw_bones
from actupose.skeleton import Skeleton

_LABEL_COLOR = "#111111"


def plot_photos(photos: Sequence[Photo], skeleton: Skeleton, looks: MethodLooks) -> Figure:
    """Draw the label (or the bare photograph), then every method; a cross marks a wrong keypoint."""
    columns = 1 + len(looks)
    cell = min(1.8, 10.5 / columns)
    figure = Figure(
        figsize=(cell * columns + 0.7, (cell + 0.36) * len(photos) + 0.6),
        layout=ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02),
    )
    grid = figure.subplots(len(photos), columns, squeeze=False)
    for photo, line in zip(photos, grid, strict=True):
        _show(line[0], photo.image)
        for axes, (method, look) in zip(line[1:], looks.items(), strict=True):
            _draw_prediction(axes, photo.image, photo.predictions[method], skeleton, look)
    for photo, axes in zip(photos, grid[:, 0], strict=True):
        axes.set_ylabel(photo.heading)
        if photo.label is not None:
            draw_bones(axes, photo.label, skeleton, _LABEL_COLOR, width=1.8)
    _head_columns(grid[0], [photo.label for photo in photos], looks, fontsize=min(10.5, 7.5 * cell))
    if any(photo.label is not None for photo in photos):
        mark = _miss_marks(np.empty((0, 2)))
        mark.set_label("keypoint outside the PCK distance")
        figure.legend(handles=[mark], loc="outside lower center")
    return figure


def _head_columns(
    line: Sequence[Axes], labels: Sequence[np.ndarray | None], looks: MethodLooks, fontsize: float
) -> None:
    has_labels = any(label is not None for label in labels)
    line[0].set_title(
        "label" if has_labels else "photograph", loc="center", color=_LABEL_COLOR, fontsize=fontsize
    )
    for axes, look in zip(line[1:], looks.values(), strict=True):
        name = look.label.replace(" (", "\n(")
        axes.set_title(name, loc="center", color=look.color, fontsize=fontsize)


def _show(axes: Axes, image: np.ndarray) -> None:
    axes.imshow(image, interpolation="bilinear")
    axes.set(xticks=[], yticks=[], xlim=(-0.5, image.shape[1] - 0.5), ylim=(image.shape[0] - 0.5, -0.5))
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


def _draw_prediction(
    axes: Axes, image: np.ndarray, prediction: Prediction, skeleton: Skeleton, look: MethodLook
) -> None:
    _show(axes, image)
    draw_bones(axes, prediction.keypoints, skeleton, look.color, width=1.8)
    if prediction.is_right is not None:
        axes.add_line(_miss_marks(prediction.keypoints[prediction.scored & ~prediction.is_right]))
    axes.set_xlabel(prediction.accuracy, fontsize=7.5)


def _miss_marks(points: np.ndarray) -> Line2D:
    x, y = points.T
    mark = Line2D(x, y, linestyle="none", marker="X", markersize=6.5)
    mark.set(markerfacecolor="white", markeredgecolor=INK)
    return mark


def plot_columns(images: Mapping[str, np.ndarray]) -> Figure:
    """One column of photographs (N, S, S, 3) below each heading."""
    rows = len(next(iter(images.values())))
    figure = Figure(figsize=(1.9 * len(images), 1.9 * rows + 0.3), layout="constrained")
    grid = figure.subplots(rows, len(images), squeeze=False)
    for (heading, column), line in zip(images.items(), grid.T, strict=True):
        line[0].set_title(heading)
        for axes, image in zip(line, column, strict=True):
            _show(axes, image)
    return figure
