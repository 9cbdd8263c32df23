"""Which figures a comparison shows, in which order, and how a person reads them."""

from dataclasses import dataclass
from typing import Literal

from actupose.params import MethodParams
from actupose.skeleton import Skeleton

Selection = Literal["last", "best_on_target"]
SELECTIONS: tuple[Selection, ...] = ("last", "best_on_target")

SELECTION_RULES: dict[Selection, str] = {
    "last": "the model after the last epoch; the primary figure",
    "best_on_target": (
        "the best epoch by target test labels, as the literature reports; it looks at labels that "
        "unsupervised adaptation must not see, so it is never the headline"
    ),
}
UPPER_BOUND = "(target labels)"
OUR_READING = "(our reading)"
OURS = "(ours)"
MARK_NOTES = {
    UPPER_BOUND: f"{UPPER_BOUND}: trained on the target's labels, an upper bound and not a method.",
    OUR_READING: f"{OUR_READING}: the idea of a paper whose text was not at hand, not a reproduction of it.",
    OURS: f"{OURS}: no paper has it.",
}
UNKNOWN = "-"
_PAPER_SHORT = {"shoulder": "Sld", "elbow": "Elb"}


@dataclass(frozen=True)
class Column:
    """One figure: its key in tables, its headings, and what a stored fraction is multiplied by.

    A terminal leaves out a column without ``short``.
    """

    key: str
    title: str
    short: str = ""
    factor: float = 100.0


def method_mark(method: MethodParams) -> str:
    """What stands beside a method's name wherever its figures do; empty for most."""
    if method.labelled_domain == "target":
        return UPPER_BOUND
    return {"paper": "", "reading": OUR_READING, "ours": OURS}[method.origin]


def comparison_columns(skeleton: Skeleton) -> tuple[Column, ...]:
    """Every figure that a table for people shows."""
    titles = {name: name[0].upper() + name[1:] for name in skeleton.groups}
    groups = [Column(f"pck_{name}", title, _PAPER_SHORT.get(name, title)) for name, title in titles.items()]
    return (
        *groups,
        Column("pck_all", "All", "All"),
        Column("pck_all_hardest_third", "All, hardest third", "Hard⅓"),
        Column("pck_tllib_all", "All (tllib)"),
        Column("evalpose_bone", "EvalPose bone", "Bone"),
        Column("evalpose_angle", "EvalPose angle", "Angle"),
        Column("source_pck_all", "Source All"),
        Column("epoch", "Epoch", factor=1.0),
    )


def format_mean(column: Column, mean: float | None) -> str:
    """``71.6``, or a dash where the figure is not known."""
    return UNKNOWN if mean is None else f"{mean * column.factor:.1f}"


def format_deviation(column: Column, std: float | None) -> str:
    """``± 0.4``, or nothing where there is one seed."""
    return "" if std is None else f"± {std * column.factor:.1f}"


def format_figure(column: Column, mean: float | None, std: float | None) -> str:
    """``71.6 ± 0.4``; ``71.6`` with one seed; a dash where the figure is not known."""
    return f"{format_mean(column, mean)} {format_deviation(column, std)}".rstrip()
