"""The comparison as csv, json and markdown: fractions for programs, x100 with one decimal for people."""

import json
from collections.abc import Iterator
from typing import Any

import pandas as pd

from actupose.report.aggregate import Comparison, Row
from actupose.report.columns import (
    MARK_NOTES,
    SELECTION_RULES,
    Column,
    Selection,
    format_figure,
)

_DIGITS = 6
HARDEST_THIRD_NOTE = "Hardest third (Hard⅓): PCK of all joints over the last third of the bins."
NO_LABELS_NOTE = "The target has no labels: no accuracy on it can be known, and its columns are absent."


def seeds_phrase(comparison: Comparison) -> str:
    """``1 seed``, or what mean and deviation are taken over."""
    count = len(comparison.seeds)
    return "1 seed" if count == 1 else f"mean ± standard deviation over {count} seeds"


def units_phrase(comparison: Comparison) -> str:
    """Say what the columns hold."""
    return f"PCK@{comparison.threshold:g} and EvalPose, x100, {seeds_phrase(comparison)}"


def notes(comparison: Comparison) -> list[str]:
    """Remarks that stand below every table for people."""
    first = HARDEST_THIRD_NOTE if comparison.has_target_labels else NO_LABELS_NOTE
    return [first, *(note for mark, note in MARK_NOTES.items() if mark in comparison.marks.values())]


def runs_csv(figures: pd.DataFrame) -> str:
    """One line for each selection rule and run, fractions; a figure not known is empty."""
    return figures.to_csv(index=False, float_format=f"%.{_DIGITS}f", lineterminator="\n")


def comparison_csv(comparison: Comparison) -> str:
    """One line for each selection rule and method; ``_std`` columns only with several seeds."""
    lines = [
        {
            "selection": rule,
            "method": row.method,
            "target_labels": row.method in comparison.upper_bounds,
            "seeds": row.seeds,
            **_mean_and_std(row),
        }
        for rule, rows in comparison.tables.items()
        for row in rows
    ]
    return pd.DataFrame(lines).to_csv(index=False, float_format=f"%.{_DIGITS}f", lineterminator="\n")


def _mean_and_std(row: Row) -> dict[str, float]:
    figures: dict[str, float] = {}
    for name, mean in row.mean.items():
        figures[f"{name}_mean"] = mean
        if name in row.std:
            figures[f"{name}_std"] = row.std[name]
    return figures


def comparison_json(comparison: Comparison) -> str:
    """Fractions by selection rule, method and figure; ``dvc metrics show`` reads it."""
    tree: dict[str, Any] = {
        "threshold": comparison.threshold,
        "selection_rules": {rule: SELECTION_RULES[rule] for rule in comparison.tables},
    }
    for rule, rows in comparison.tables.items():
        tree[rule] = {row.method: _row_tree(row, row.method in comparison.upper_bounds) for row in rows}
    return json.dumps(tree, indent=2) + "\n"


def _row_tree(row: Row, is_upper_bound: bool) -> dict[str, Any]:
    figures = {
        name: {"mean": round(mean, _DIGITS)}
        | ({"std": round(row.std[name], _DIGITS)} if name in row.std else {})
        for name, mean in row.mean.items()
    }
    return {"seeds": row.seeds, "target_labels": is_upper_bound, **figures}


def comparison_markdown(comparison: Comparison) -> str:
    """One table for each selection rule, the rule beside it."""
    blocks = ["# Comparison of methods"]
    for rule in comparison.tables:
        blocks.append(
            f"## Selection: {rule}\n\n{rule}: {SELECTION_RULES[rule]}.\n{units_phrase(comparison)}."
        )
        blocks.append("\n".join(_markdown_lines(comparison, rule)))
    return "\n\n".join([*blocks, *notes(comparison)]) + "\n"


def _markdown_lines(comparison: Comparison, rule: Selection) -> Iterator[str]:
    columns = comparison.columns[rule]
    yield _markdown_line(["Method", *(column.title for column in columns)])
    yield _markdown_line(["---", *("---:" for _ in columns)])
    for row in comparison.tables[rule]:
        yield _markdown_line([comparison.labels[row.method], *(cell(row, column) for column in columns)])


def _markdown_line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def cell(row: Row, column: Column) -> str:
    """``71.6 ± 0.4``; ``71.6`` with one seed; a dash where the figure is not known."""
    return format_figure(column, row.mean.get(column.key), row.std.get(column.key))
