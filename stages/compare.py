"""Stage ``compare``: every evaluated run side by side, in tables, figures and one page."""

import sys

from actupose.layout import BINS, EVALUATIONS, INGESTED, NORMALISED, PARAMS, REPORTS, RUNS, STYLE
from actupose.params import load_params
from actupose.report.compare import write_report
from actupose.report.read import Folders
from actupose.report.terminal import console_for, print_comparison
from stages._entry import run_stage


def main() -> None:
    """Write ``reports/`` and print the comparison."""
    folders = Folders(EVALUATIONS, RUNS, BINS, NORMALISED, INGESTED, STYLE)
    comparison = write_report(folders, REPORTS, load_params(PARAMS))
    print_comparison(comparison, console_for(sys.stdout))
    print(f"report: {REPORTS / 'report.html'}")


if __name__ == "__main__":
    run_stage(main)
