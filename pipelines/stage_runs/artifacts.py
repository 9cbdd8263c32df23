"""What the Prefect UI shows of a pipeline beside its logs: progress, the comparison, a link to the report."""

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from httpx import HTTPError
from prefect.artifacts import (
    create_link_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from actupose.report.columns import Column, format_figure

_SHOWN = (
    Column("pck_all", "PCK@0.05"),
    Column("pck_all_hardest_third", "hardest third"),
    Column("evalpose_bone", "EvalPose bone"),
    Column("source_pck_all", "source PCK@0.05"),
)


class Progress:
    """How far a stage is, as a progress bar."""

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._artifact: UUID | None = None

    def show(self, done: int, total: int) -> None:
        """Move the bar; a server that is away fails no stage."""
        with suppress(HTTPError):
            self._show(100 * done / total)

    def _show(self, percent: float) -> None:
        if self._artifact is None:
            key = artifact_key(self._stage)
            self._artifact = cast(UUID, create_progress_artifact(percent, key, self._stage))
        else:
            update_progress_artifact(self._artifact, percent)


def show_results(reports: Path, page: str | None) -> None:
    """Show the comparison as a table, and link the report: in MLflow if it has a page, else the file."""
    if not (reports / "comparison.json").exists():
        return
    comparison = json.loads((reports / "comparison.json").read_text())
    rows = [{"method": method} | _figures(values) for method, values in comparison["last"].items()]
    rule = comparison["selection_rules"]["last"]
    create_table_artifact(rows, key="comparison", description=f"x100, mean ± deviation over seeds. {rule}")
    report = (reports / "report.html").resolve()
    create_link_artifact(page or report.as_uri(), key="report", link_text="report", description=str(report))


def _figures(values: dict[str, Any]) -> dict[str, str]:
    known = {column: values.get(column.key) or {} for column in _SHOWN}
    shown = {
        column.title: format_figure(column, value.get("mean"), value.get("std"))
        for column, value in known.items()
    }
    return {"seeds": str(values["seeds"]), **shown}


def artifact_key(name: str) -> str:
    """Artifact keys are lower-case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
