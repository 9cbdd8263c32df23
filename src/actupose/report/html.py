"""The one self-contained page: tables, figures and settings, with nothing fetched from elsewhere."""

import base64
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from actupose.params import Params
from actupose.report.aggregate import Comparison, Row
from actupose.report.columns import SELECTION_RULES, UNKNOWN, Column, format_deviation, format_mean
from actupose.report.figures import ReportFigure
from actupose.report.papers import PAPER_TABLES, comparability, task_name
from actupose.report.text import notes, units_phrase

_TEMPLATES = Path(__file__).parent / "templates"
_SECTIONS = (
    "data",
    "vae",
    "bins",
    "network",
    "heatmap",
    "augment",
    "style_net",
    "schedule",
    "optim",
    "evaluation",
)
_PIXELS_PER_CSS_PIXEL = 1.35
_PLACES = {"root", "annotations", "images"}  # folders of this machine say nothing about the result


def report_html(comparison: Comparison, figures: Sequence[ReportFigure], params: Params) -> str:
    """Render the page; the same inputs give the same bytes."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("report.html").render(
        task=task_name(params.data),
        data=params.data,
        schedule=params.schedule,
        seeds=", ".join(str(seed) for seed in comparison.seeds),
        units=units_phrase(comparison),
        notes=notes(comparison),
        tables=_tables(comparison),
        figures=[
            {"figure": figure, "source": _data_uri(figure.png), "width": _shown_width(figure.png)}
            for figure in figures
        ],
        methods=[(comparison.labels[name], params.methods[name]) for name in params.train.methods],
        settings=_settings(params),
        papers=PAPER_TABLES,
        comparability=comparability(params.data),
        unknown=UNKNOWN,
    )


def _data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _shown_width(png: bytes) -> int:
    """Width on the page: fewer pixels than the file has, so that it is sharp on fine screens."""
    pixels = int.from_bytes(png[16:20], "big")  # a PNG begins with signature, chunk head, width
    return round(pixels / _PIXELS_PER_CSS_PIXEL)


def _tables(comparison: Comparison) -> list[dict[str, Any]]:
    return [
        {
            "rule": rule,
            "meaning": SELECTION_RULES[rule],
            "columns": [column.title for column in comparison.columns[rule]],
            "rows": [
                {
                    "label": comparison.labels[row.method],
                    "is_upper_bound": row.method in comparison.upper_bounds,
                    "cells": [_cell(row, column) for column in comparison.columns[rule]],
                }
                for row in rows
            ],
        }
        for rule, rows in comparison.tables.items()
    ]


def _cell(row: Row, column: Column) -> dict[str, str]:
    return {
        "mean": format_mean(column, row.mean.get(column.key)),
        "deviation": format_deviation(column, row.std.get(column.key)),
    }


def _settings(params: Params) -> dict[str, list[tuple[str, str]]]:
    """Flatten the sections that decide results, and what trained methods have of their own."""
    tree = params.model_dump(mode="json")
    shared = {section: list(_flatten(tree[section])) for section in _SECTIONS}
    own = {f"methods.{name}": list(_flatten(tree["methods"][name])) for name in params.train.methods}
    return shared | own


def _flatten(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in tree.items():
        if key in _PLACES:
            continue
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", "none" if value is None else str(value)
