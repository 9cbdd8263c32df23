"""``actupose doctor`` looks at a real store, real processes and locks that DVC itself made."""

import os
import pty
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
import yaml
from dvc.fs import localfs
from dvc.lock import Lock
from dvc.rwlock import rwlock
from mlflow import MlflowClient
from mlflow_server import all_runs, free_port

from actupose.core.device import emulates_bf16
from actupose.params import load_params
from pipelines.checks.locks import check_locks
from pipelines.checks.machine import check_devices, check_disk, check_packages
from pipelines.checks.services import check_prefect, check_runs
from pipelines.cli import main

ROOT = Path(__file__).parents[2]
DVC = Path(".dvc")
DEAD_PIPELINE = "from tracking import start_pipeline_run; start_pipeline_run('figures', 'flow')"
KILLED_WHILE_HOLDING_FILES = """
import os
from dvc.fs import localfs
from dvc.rwlock import rwlock
with rwlock(".dvc/tmp", localfs, "dvc repro", ["in"], ["out"], False):
    os._exit(9)
"""


@pytest.fixture(scope="session")
def with_dead_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose store has a run of a process that ended without a word."""
    folder = tmp_path_factory.mktemp("doctor") / "project"
    for name in ("params.yaml", "dvc.yaml", "requirements.lock", ".dvc/config"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    (folder / ".dvc/tmp").mkdir()
    (folder / "src/actupose/data/figures").mkdir(parents=True)  # the root that params.yaml names
    subprocess.run([sys.executable, "-c", DEAD_PIPELINE], cwd=folder, check=True)
    return folder


@pytest.fixture(autouse=True)
def project(with_dead_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(shutil.copytree(with_dead_run, tmp_path / "project"))
    return Path.cwd()


def set_params(key: str, value: object) -> None:
    tree = yaml.safe_load(Path("params.yaml").read_text())
    *parents, last = key.split(".")
    section = tree
    for parent in parents:
        section = section[parent]
    section[last] = value
    Path("params.yaml").write_text(yaml.safe_dump(tree))


def states(output: str) -> dict[str, str]:
    """Check -> state, as the table has them."""
    rows = [line.split("  ") for line in output.splitlines()]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    return {row[0]: row[1] for row in cells if len(row) > 1 and row[1] in ("ok", "warning", "problem")}


def statuses() -> set[str]:
    client = MlflowClient(tracking_uri=f"sqlite:///{Path('.state/mlflow.db').resolve()}")
    return {run.info.status for run in all_runs(client)}


def test_a_project_without_problems_is_status_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    found = states(capsys.readouterr().out)
    assert found.pop("packages") in ("ok", "warning")
    assert found.pop("disk") in ("ok", "warning")
    assert found.pop("open runs") == "warning"
    assert found == dict.fromkeys(["devices", "settings", "data roots", "DVC", "MLflow", "Prefect"], "ok")
    assert statuses() == {"RUNNING"}  # without a terminal nobody is asked and nothing is closed


def test_outside_of_a_project_it_is_one_line_and_status_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["doctor"]) == 2
    assert capsys.readouterr().err == "error: dvc.yaml: no such file here; run from the project's root\n"


@pytest.mark.parametrize(
    ("key", "value", "check", "told"),
    [
        ("vae.latents", 8, "settings", "vae.latents: unknown key"),
        ("data.target.root", "absent", "data roots", "data.target.root = absent: no such folder"),
    ],
)
def test_a_problem_is_told_and_status_1(
    key: str, value: object, check: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    set_params(key, value)
    assert main(["doctor"]) == 1
    output = capsys.readouterr().out
    assert states(output)[check] == "problem"
    assert told in output


def test_close_marks_runs_of_dead_processes_killed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--close"]) == 0
    assert "marked KILLED: pipeline" in capsys.readouterr().out
    assert statuses() == {"KILLED"}
    assert main(["doctor", "--close"]) == 0
    assert states(capsys.readouterr().out)["open runs"] == "ok"


@pytest.mark.parametrize(("answer", "status"), [(b"y\n", "KILLED"), (b"\n", "RUNNING")])
def test_on_a_terminal_it_asks_before_it_closes(answer: bytes, status: str) -> None:
    ours, theirs = pty.openpty()
    shown: list[bytes] = []
    person = threading.Thread(target=answer_when_asked, args=(ours, answer, shown))
    person.start()
    with (
        os.fdopen(os.dup(theirs)) as keyboard,
        os.fdopen(theirs, "w") as screen,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(sys, "stdin", keyboard)
        patch.setattr(sys, "stdout", screen)
        assert main(["doctor"]) == 0
    person.join()
    assert statuses() == {status}


def answer_when_asked(terminal: int, answer: bytes, shown: list[bytes]) -> None:
    """Read until the other side hangs up."""
    while True:
        try:
            shown.append(os.read(terminal, 1000))
        except OSError:
            os.close(terminal)
            return
        if shown[-1].endswith(b"[y/N] "):
            os.write(terminal, answer)


def test_packages_that_differ_from_the_lock_are_named() -> None:
    lock = Path("requirements.lock")
    lock.write_text(f"# (Python 2.7)\npytest=={pytest.__version__}\nnumpy==0.1\nno-such-package==1.0\n")
    check = check_packages(lock)
    assert check.state == "warning"
    assert check.found.startswith("Python 3.")
    assert "(not 2.7), numpy " in check.found
    assert check.found.endswith("(not 0.1), no-such-package absent (not 1.0)")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_asked_for_and_missing_is_a_problem() -> None:
    compute = load_params().compute
    assert check_devices(compute).state == "ok"
    assert check_devices(compute.model_copy(update={"device": "cuda"})).state == "problem"


def test_precision_that_the_device_emulates_is_a_warning() -> None:
    compute = load_params().compute.model_copy(update={"device": "cpu", "precision": "bf16-mixed"})
    assert check_devices(compute).state == ("warning" if emulates_bf16("cpu") else "ok")


def test_room_for_three_checkpoints_is_asked_for(project: Path) -> None:
    checkpoint = Path(".state/checkpoints/udape-0-0123/step-000000001.ckpt")
    checkpoint.parent.mkdir(parents=True)
    with checkpoint.open("wb") as file:
        file.truncate(shutil.disk_usage(project).free // 2)  # a hole: it takes no room itself
    assert check_disk(project).state == "warning"
    checkpoint.unlink()
    assert check_disk(project).state == "ok" or shutil.disk_usage(project).free < 2**30


def test_locks_that_are_held_are_told_and_are_no_problem() -> None:
    assert check_locks(DVC).found == "nothing is locked"
    with Lock(".dvc/tmp/lock"), rwlock(".dvc/tmp", localfs, "dvc repro", ["in"], ["out"], False):
        check = check_locks(DVC)
    assert check.state == "ok"
    assert check.found == (
        "the repository is locked by a DVC command; "
        f"files are locked by process {os.getpid()} (dvc repro), which runs"
    )
    assert check_locks(DVC).found == "nothing is locked"


def left_by_a_dead_process() -> None:
    subprocess.run([sys.executable, "-c", KILLED_WHILE_HOLDING_FILES], check=False)


def left_by_a_process_whose_number_was_given_away() -> None:
    with rwlock(".dvc/tmp", localfs, "dvc repro", [], ["out"], False):
        content = Path(".dvc/tmp/rwlock").read_text()
    Path(".dvc/tmp/rwlock").write_text(content)
    os.utime(".dvc/tmp/rwlock", (1e9, 1e9))  # long before this process began


def cut_off() -> None:
    Path(".dvc/tmp/rwlock").write_text('{"write": {"out": {"pi')


def lock_file_cut_off() -> None:
    Path("dvc.lock").write_text("schema: '2.0'\nstages:\n  ingest@sou")


def held_through_a_hard_link() -> None:
    Path(".dvc/tmp/claim").write_text("")
    Path(".dvc/tmp/lock").hardlink_to(".dvc/tmp/claim")


def no_repository() -> None:
    Path(".dvc/config").unlink()


@pytest.mark.parametrize(
    ("spoil", "state", "advice"),
    [
        (left_by_a_dead_process, "warning", "the next dvc repro takes them over"),
        (left_by_a_process_whose_number_was_given_away, "problem", "rm .dvc/tmp/rwlock"),
        (cut_off, "problem", "rm .dvc/tmp/rwlock"),
        (lock_file_cut_off, "problem", "rm dvc.lock"),
        (held_through_a_hard_link, "warning", "rm .dvc/tmp/lock"),
        (no_repository, "problem", "dvc init"),
    ],
)
def test_locks_that_are_not_well_are_told_with_a_remedy(
    spoil: Callable[[], None], state: str, advice: str
) -> None:
    spoil()
    check = check_locks(DVC)
    assert (check.state, advice in check.advice) == (state, True), check


def test_what_a_dead_process_left_locked_dvc_takes_over() -> None:
    left_by_a_dead_process()
    with rwlock(".dvc/tmp", localfs, "dvc repro", [], ["in", "out"], False):
        assert check_locks(DVC).state == "ok"


def test_a_store_that_does_not_answer_is_a_problem_and_one_not_yet_made_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.rmtree(".state")
    checks, runs = check_runs()
    assert ([check.state for check in checks], runs) == (["ok"], [])
    assert not Path(".state").exists()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://user:secret@127.0.0.1:{free_port()}")
    checks, runs = check_runs()
    assert ([check.state for check in checks], runs) == (["problem"], [])
    assert "secret" not in checks[0].found


@pytest.fixture
def http_server(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "api").mkdir()
    (tmp_path / "api" / "health").write_text("true")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_prefect_server_that_is_named_must_answer(
    http_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", f"{http_server}/api")
    assert check_prefect().state == "ok"
    monkeypatch.setenv("PREFECT_API_URL", f"{http_server}/elsewhere")
    assert check_prefect().state == "problem"
    monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{free_port()}/api")
    assert check_prefect().state == "problem"
