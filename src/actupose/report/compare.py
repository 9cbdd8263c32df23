"""Compare all runs: read, aggregate, draw, write. The only module of the report that writes."""

import shutil
from pathlib import Path

from actupose.data.dataset import Domain
from actupose.files import atomic_path
from actupose.params import Params, TrainParams
from actupose.report.aggregate import Comparison, compare_runs, run_figures
from actupose.report.figures import draw_figures, draw_restyled
from actupose.report.html import report_html
from actupose.report.read import Evidence, Folders, Run, read_binned_data, read_evidence
from actupose.report.restyled import restyled_examples
from actupose.report.text import comparison_csv, comparison_json, comparison_markdown, runs_csv


def write_report(folders: Folders, reports: Path, params: Params) -> Comparison:
    """Write tables, ``figures/*.png`` and ``report.html`` below ``reports``.

    A missing or damaged input is a UserError before anything is written.
    """
    evidence = read_evidence(folders, params)
    comparison = compare_runs(evidence.runs, params)
    figures = draw_figures(evidence, comparison, params, read_binned_data(folders, params))
    figures += draw_restyled(restyled_examples(folders, params))
    texts = {
        "comparison.csv": comparison_csv(comparison),
        "comparison.json": comparison_json(comparison),
        "comparison.md": comparison_markdown(comparison),
        "runs.csv": runs_csv(run_figures(evidence.runs)),
        "report.html": report_html(comparison, figures, params),
    }
    contents = {name: text.encode() for name, text in texts.items()}
    contents |= {f"figures/{figure.name}.png": figure.png for figure in figures}
    # A figure that labels no longer allow must not stay from an earlier report.
    shutil.rmtree(reports / "figures", ignore_errors=True)
    for name, content in contents.items():
        _write(reports / name, content)
    return comparison


def write_run_figures(run: Run, target: Domain, out: Path, params: Params) -> list[Path]:
    """Draw what the report shows of runs, of one alone; returns the png files written to ``out``."""
    alone = params.model_copy(update={"train": TrainParams(methods=(run.method,), seeds=(run.seed,))})
    paths = []
    for figure in draw_figures(Evidence((run,), target), compare_runs((run,), alone), alone):
        paths.append(out / f"{figure.name}.png")
        _write(paths[-1], figure.png)
    return paths


def _write(path: Path, content: bytes) -> None:
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
