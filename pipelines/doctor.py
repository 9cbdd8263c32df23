"""Look at what a run depends on, and say what is wrong and what to do."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from actupose.errors import UserError
from actupose.layout import PARAMS
from actupose.params import Params, load_params
from pipelines._settings import missing_roots
from pipelines.checks.check import Check
from pipelines.checks.locks import check_locks
from pipelines.checks.machine import check_devices, check_disk, check_packages
from pipelines.checks.services import check_prefect, check_runs
from tracking import OpenRun, StoreUnavailableError, close_dead

_COLOURS = {"ok": "green", "warning": "yellow", "problem": "red"}
_WIDE = 160


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--close", action="store_true", help="mark runs KILLED whose process is dead")


def run(arguments: argparse.Namespace) -> int:
    """Print a line a check; 1 if one of them is a problem."""
    if not Path("dvc.yaml").exists():
        raise UserError("dvc.yaml: no such file here; run from the project's root")
    checks, runs = _examine()
    _show(checks)
    dead = [found for found in runs if found.alive is False]
    if dead and (arguments.close or _confirm_close(dead)):
        _close(dead)
    return int(any(check.state == "problem" for check in checks))


def _examine() -> tuple[list[Check], list[OpenRun]]:
    """All checks, and the runs that are open."""
    settings, params = _check_params()
    store, runs = check_runs()
    checks = [
        check_packages(Path("requirements.lock")),
        check_devices(params.compute if params else None),
        settings,
        *([_check_roots(params)] if params else []),
        check_locks(Path(".dvc")),
        *store,
        check_prefect(),
        check_disk(Path()),
    ]
    return checks, runs


def _check_params() -> tuple[Check, Params | None]:
    try:
        params = load_params(PARAMS)
    except UserError as error:
        return Check("settings", "problem", str(error), "correct it, or git checkout params.yaml"), None
    return Check("settings", "ok", f"{PARAMS} is valid: {', '.join(params.train.methods)}"), params


def _check_roots(params: Params) -> Check:
    missing = [f"data.{domain}.root = {root}: no such folder" for domain, root in missing_roots(params)]
    if missing:
        return Check("data roots", "problem", "; ".join(missing), f"name the folder in {PARAMS}")
    return Check("data roots", "ok", f"source {params.data.source.root}, target {params.data.target.root}")


def _show(checks: Sequence[Check]) -> None:
    table = Table(box=box.SIMPLE_HEAD)
    for title in ("Check", "State", "Found", "What to do"):
        table.add_column(title, overflow="fold")
    for check in checks:
        colour = _COLOURS[check.state]
        table.add_row(check.name, f"[{colour}]{check.state}[/]", escape(check.found), escape(check.advice))
    Console(width=None if sys.stdout.isatty() else _WIDE, highlight=False).print(table)


def _confirm_close(dead: Sequence[OpenRun]) -> bool:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    # not input(question): that asks on stderr
    print(f"Mark KILLED what dead processes left RUNNING ({_names(dead)})? [y/N] ", end="", flush=True)
    return input().strip().lower() in ("y", "yes")


def _close(dead: Sequence[OpenRun]) -> None:
    try:
        print(f"marked KILLED: {_names(close_dead(dead)) or 'none, all have gone on meanwhile'}")
    except StoreUnavailableError as error:
        raise UserError(str(error)) from None


def _names(runs: Sequence[OpenRun]) -> str:
    return ", ".join(run.name for run in runs)
