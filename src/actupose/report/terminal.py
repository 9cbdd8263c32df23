"""The comparison for a terminal: narrow tables that need no colour and are never cut."""

from typing import TextIO

from rich import box
from rich.console import Console
from rich.table import Table

from actupose.report.aggregate import Comparison, Row
from actupose.report.columns import (
    SELECTION_RULES,
    Column,
    Selection,
    format_deviation,
    format_mean,
)
from actupose.report.text import notes, units_phrase

_WIDE = 200
_TEXT_WIDTH = 80


def console_for(stream: TextIO) -> Console:
    """Console on ``stream``; into a file or a pipe rich would otherwise cut at 80 characters."""
    return Console(file=stream, width=None if stream.isatty() else _WIDE, highlight=False, markup=False)


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print one table for each selection rule, the rule beside it, then the remarks."""
    console.print(f"{units_phrase(comparison)}.")
    for rule in comparison.tables:
        console.print(f"Selection {rule}: {SELECTION_RULES[rule]}.", width=_TEXT_WIDTH)
        console.print(selection_table(comparison, rule))
    for note in notes(comparison):
        console.print(note, width=_TEXT_WIDTH)


def selection_table(comparison: Comparison, rule: Selection) -> Table:
    """One row per method; within 80 characters for the methods and columns that are usual."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("Method", overflow="fold")
    columns = _narrow(comparison.columns[rule])
    for column in columns:
        table.add_column(column.short or column.title, justify="right", overflow="fold")
    for row in comparison.tables[rule]:
        table.add_row(_name(comparison, row.method), *(_cell(row, column) for column in columns))
    return table


def _narrow(columns: tuple[Column, ...]) -> tuple[Column, ...]:
    """Drop what only files and the page show, unless nothing else is known."""
    return tuple(column for column in columns if column.short) or columns


def _name(comparison: Comparison, method: str) -> str:
    return f"{method}\n{comparison.marks[method]}".rstrip()


def _cell(row: Row, column: Column) -> str:
    """Put the deviation below its mean, which keeps the table narrow."""
    deviation = format_deviation(column, row.std.get(column.key)).replace(" ", "")
    return f"{format_mean(column, row.mean.get(column.key))}\n{deviation}".rstrip()
