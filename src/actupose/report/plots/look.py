"""What all figures share: fonts, the colour of each method, and how a figure becomes bytes."""

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from actupose.params import Params
from actupose.report.aggregate import Curves

INK = "#1f2933"
MUTED = "#6b7785"
GRID = "#e3e7eb"
DOMAIN_COLORS = {"source": "#52748f", "target": "#b3446c"}
_PALETTE = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#8c564b",
    "#7f7f2a",
    "#7a5195",
    "#2f4b7c",
)
_STYLE = {
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "text.color": INK,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 4,
    "figure.facecolor": "white",
    "savefig.dpi": 150,
}


@dataclass(frozen=True)
class MethodLook:
    """How one method appears in every figure."""

    label: str
    color: str
    linestyle: str
    is_upper_bound: bool


MethodLooks = Mapping[str, MethodLook]


def method_looks(params: Params, labels: Mapping[str, str]) -> dict[str, MethodLook]:
    """Colours follow the order in which ``methods`` defines them, whichever of them run."""
    colored = [name for name, method in params.methods.items() if method.labelled_domain == "source"]
    return {
        name: MethodLook(label, _PALETTE[colored.index(name) % len(_PALETTE)], "-", False)
        if name in colored
        else MethodLook(label, INK, "--", True)
        for name, label in labels.items()
    }


@contextmanager
def report_style() -> Iterator[None]:
    """Our style on top of matplotlib's defaults, so that a user's matplotlibrc changes no byte."""
    with matplotlib.style.context(["default", _STYLE]):
        yield


def png_bytes(figure: Figure) -> bytes:
    """PNG without date or software, so that equal figures are equal files."""
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def draw_curves(axes: Axes, curves: Curves, looks: MethodLooks, factor: float = 1, marker: str = "") -> None:
    """Mean of every method with a band of one deviation; no band with one seed."""
    for method, curve in curves.items():
        look = looks[method]
        x, mean, std = curve.index.to_numpy(), curve["mean"] * factor, curve["std"] * factor
        axes.plot(x, mean, marker=marker, color=look.color, linestyle=look.linestyle, label=look.label)
        if std.notna().any():
            axes.fill_between(x, mean - std, mean + std, color=look.color, alpha=0.15, linewidth=0)


def method_labels(looks: MethodLooks) -> list[str]:
    """Labels in the order of the methods."""
    return [look.label for look in looks.values()]


def count_along(axis: Axis) -> None:
    """Label an axis of bins or epochs with whole numbers."""
    axis.set_major_locator(MaxNLocator(integer=True))


def draw_legend(figure: Figure, axes: Sequence[Axes], labels: Iterable[str]) -> None:
    """One legend above all panels: every label that a panel shows, once, in the given order."""
    entries = {
        label: handle
        for panel in axes
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    shown = [label for label in labels if label in entries]
    handles = [entries[label] for label in shown]
    figure.legend(handles, shown, loc="outside upper center", ncols=min(len(shown), 4))
