"""What the Prefect UI shows of a pipeline beside its logs: progress, the comparison, a link to the report."""

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

from httpx import HTTPError
from prefect.artifacts import (
    create_link_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

_EPOCH = re.compile(r"^\S+ epoch (\d+)/(\d+)\b")
_SHOWN = {
    "pck_all": "PCK@0.05",
    "pck_all_hardest_third": "hardest third",
    "evalpose_bone": "EvalPose bone",
    "source_pck_all": "source PCK@0.05",
}


class Progress:
    """Epochs of a training stage as a progress bar, read off the lines it prints."""

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._artifact: UUID | None = None

    def read(self, line: str) -> None:
        """Move the bar if the line ends an epoch."""
        found = _EPOCH.match(line)
        if not found:
            return
        with suppress(HTTPError):  # a server that is away fails no training
            self._show(100 * int(found[1]) / int(found[2]))

    def _show(self, percent: float) -> None:
        if self._artifact is None:
            self._artifact = create_progress_artifact(percent, key=_key(self._stage), description=self._stage)
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
    shown = {label: _figure(values.get(name)) for name, label in _SHOWN.items()}
    return {"seeds": str(values["seeds"]), **shown}


def _figure(value: dict[str, float] | None) -> str:
    if not value or value.get("mean") is None:
        return "-"
    deviation = f" ± {100 * value['std']:.1f}" if value.get("std") is not None else ""
    return f"{100 * value['mean']:.1f}{deviation}"


def _key(stage: str) -> str:
    """Artifact keys are lower-case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", stage.lower()).strip("-")
