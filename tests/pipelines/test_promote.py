"""Promotion in a real registry: sqlite, files and models, as evaluate leaves them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from stored_models import (
    NAME,
    client,
    enter_project,
    evaluated,
    figures,
    migrated_store,
    registered,
    small_params,
)

from actupose.errors import UserError
from pipelines._promotion_rule import RULE
from pipelines.promote import decide, main, write

ROOT = Path(__file__).parents[2]
PARAMS = small_params()
FIRST = "udape (2 seeds) PCK@0.05 50.00, hardest third 25.00"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with two seeds of udape: versions 1 and 2."""
    folder = tmp_path_factory.mktemp("promote") / "project"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        enter_project(folder, migrated_store(folder.parent), patch)
        (folder / "params.yaml").write_text((ROOT / "params.yaml").read_text())
        evaluated(PARAMS, "udape", 0, figures(0.46875, 0.25))
        evaluated(PARAMS, "udape", 1, figures(0.53125, 0.25))
    return folder


@pytest.fixture
def project(template: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The template; what a test writes to its store is taken back."""
    store = template / ".state/mlflow.db"
    before = store.read_bytes()
    monkeypatch.chdir(template)
    yield template
    store.write_bytes(before)


def promote(version: int | None = None, noise: float | None = None) -> str:
    name, decision = decide(None, version, noise)
    write(name, decision)
    return f"{decision.version} {decision.outcome}: {decision.reason}"


def aliases() -> dict[str, int]:
    return {alias: int(number) for alias, number in client().get_registered_model(NAME).aliases.items()}


def test_a_better_model_takes_the_alias_over_and_a_worse_one_does_not(project: Path) -> None:
    assert promote() == f"2 promoted: {FIRST}; there was no champion"
    assert aliases() == {"candidate": 2, "champion": 2}

    evaluated(PARAMS, "actupose", 0, figures(0.65625, 0.28125), weights=7)
    evaluated(PARAMS, "actupose", 1, figures(0.59375, 0.21875), weights=8)
    reason = f"actupose (2 seeds) PCK@0.05 62.50, hardest third 25.00; champion {FIRST}; noise 4.42"
    assert promote() == f"3 promoted: {reason}"
    assert aliases() == {"candidate": 3, "champion": 3}
    third = registered()[2]
    assert third.description == f"promoted: {reason}"
    assert third.tags["promotion.decision"] == "promoted"
    assert client().get_registered_model(NAME).description == RULE

    worse = f"{FIRST}; champion actupose (2 seeds) PCK@0.05 62.50, hardest third 25.00; noise 4.42"
    assert promote(version=2) == f"2 refused: {worse}: not better by more than noise"
    assert aliases() == {"candidate": 2, "champion": 3}
    assert registered()[1].tags["promotion.decision"] == "refused"


def test_a_second_promotion_does_nothing_and_says_so(project: Path) -> None:
    promote()
    before = (project / ".state/mlflow.db").read_bytes()
    assert promote() == "2 unchanged: it is the champion already"
    assert (project / ".state/mlflow.db").read_bytes() == before


def run_promote(project: Path) -> subprocess.CompletedProcess[str]:
    places = {"PREFECT_HOME": str(project / ".state/prefect"), "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"}
    command = [sys.executable, "-m", "pipelines.promote"]
    return subprocess.run(
        command, cwd=project, env={**os.environ, **places}, capture_output=True, text=True, check=False
    )


def test_the_command_promotes_and_leaves_an_artifact_in_prefect(project: Path) -> None:
    done = run_promote(project)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{NAME} version 2: promoted: {FIRST}; there was no champion\n"
    assert aliases() == {"candidate": 2, "champion": 2}
    files = (project / ".state/prefect").glob("prefect.db*")  # the last pages may not be in the first of them
    written = b"".join(path.read_bytes() for path in sorted(files))
    assert f"# {NAME} version 2: promoted: {FIRST}".encode() in written


def test_a_dry_run_tells_the_refusal_by_its_status_and_writes_nothing(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    client().set_registered_model_alias(NAME, "champion", "1")
    before = (project / ".state/mlflow.db").read_bytes()
    monkeypatch.setattr(sys, "argv", ["promote", "--dry-run", "--noise", "0.5"])
    assert main() == 1
    assert capsys.readouterr().out.endswith("noise 50.00: not better by more than noise\n")
    assert (project / ".state/mlflow.db").read_bytes() == before


def test_a_version_that_is_not_there_is_one_line_and_status_2(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["promote", "--version", "9"])
    assert main() == 2
    assert capsys.readouterr().err == f"error: --version 9: {NAME} has the versions 1, 2\n"


def test_an_experiment_without_models_is_one_line(project: Path) -> None:
    with pytest.raises(UserError, match=r"^actupose-other: no registered model of this name"):
        decide("other", None, None)


def test_a_target_without_labels_is_one_line(project: Path) -> None:
    for seed in (0, 1):
        evaluated(PARAMS, "udape", seed, {})
    with pytest.raises(UserError, match=r"^no figures of a promotion split: the target needs labels"):
        decide(None, None, None)
