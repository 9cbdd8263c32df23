import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from waiting import wait_for

from actupose.errors import UserError
from pipelines._child_processes import ChildProcesses, StoppedError
from pipelines.stage_runs.graph import read_graph, stale_stages
from pipelines.stage_runs.stage_process import LockBusyError, StageError, log_path, run_stage

ROOT = Path(__file__).parents[2]
LONG_STAGE = """\
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(99)"])
open("started", "w").close()
time.sleep(99)
"""
DIAMOND = """\
stages:
  bottom:
    cmd: cat left.txt right.txt > bottom.txt
    deps: [left.txt, right.txt]
    outs: [bottom.txt]
  side:
    foreach: [left, right]
    do:
      cmd: sleep 1; cp top.txt ${item}.txt
      deps: [top.txt]
      outs:
        - ${item}.txt
  top:
    cmd: exec python top.py
    params: [schedule.epochs]
    outs: [top.txt]
"""
TOP = """\
from pathlib import Path
from stages._entry import run_stage
from stages.events import emit

def body():
    print("hello from the top")
    emit("progress", done=3, total=4, unit="epoch")
    Path("top.txt").write_text("top\\n")

run_stage(body)
"""
MISTAKEN = """\
from actupose.errors import UserError
from stages._entry import run_stage

def body():
    print("step 1 of 9")
    raise UserError("images/: no such folder")

run_stage(body)
"""
FAILING = """\
stages:
  first:
    cmd: exec python mistaken.py
    outs: [first.txt]
  behind:
    cmd: cp first.txt behind.txt
    deps: [first.txt]
    outs: [behind.txt]
  apart:
    cmd: echo apart > apart.txt
    outs: [apart.txt]
"""


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A project that has run once: its stores are migrated, so that the next run starts faster."""
    folder = tmp_path_factory.mktemp("repository") / "project"
    folder.mkdir()
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    subprocess.run([sys.executable, "-m", "dvc", "init", "--quiet"], cwd=folder, check=True)
    shutil.copy2(ROOT / "params.yaml", folder / "params.yaml")
    (folder / "src/actupose/data/figures").mkdir(parents=True)  # the root that params.yaml names
    (folder / "dvc.yaml").write_text(DIAMOND)
    (folder / "top.py").write_text(TOP)
    (folder / "mistaken.py").write_text(MISTAKEN)
    settings = ["schedule.epochs=12", "schedule.pretrain_epochs=4"]
    return folder, run_pipeline(folder, "--jobs", "2", "--set", *settings)


@pytest.fixture
def copied(finished: tuple[Path, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    shutil.copytree(finished[0], folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def project(copied: Path) -> Path:
    """The same with nothing run yet."""
    for path in [*copied.glob("*.txt"), copied / "dvc.lock"]:
        path.unlink()
    shutil.rmtree(copied / ".dvc" / "cache")
    shutil.copy2(ROOT / "params.yaml", copied / "params.yaml")
    return copied


def newest_parent(project: Path) -> Run:
    client = MlflowClient(tracking_uri=f"sqlite:///{project / '.state/mlflow.db'}")
    return client.search_runs([client.get_experiment_by_name("figures").experiment_id])[0]


def environment(project: Path) -> dict[str, str]:
    places = {"PREFECT_HOME": str(project / ".state" / "prefect")}
    return {**os.environ, **places, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")])}


def run_pipeline(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipelines.run", *arguments]
    return subprocess.run(
        command,
        cwd=project,
        env=environment(project),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def finished_tasks(output: str) -> list[str]:
    return re.findall(r"Task run '([^']+)' - Finished in state Completed", output)


def test_the_flow_runs_stages_in_order(finished: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    project, done = finished
    assert done.returncode == 0, done.stderr
    tasks = finished_tasks(done.stderr)
    assert (tasks[0], tasks[-1], set(tasks[1:3])) == ("top", "bottom", {"side@left", "side@right"})
    assert (project / "bottom.txt").read_text() == "top\ntop\n"
    assert "Task run 'top' - hello from the top" in done.stderr
    assert "hello from the top" in (project / ".state/logs/top.log").read_text()
    assert "epochs: 12" in (project / "params.yaml").read_text()
    assert newest_parent(project).info.status == "FINISHED"
    assert newest_parent(project).data.tags["prefect.flow_run"]


def test_a_second_run_finds_nothing_to_do_even_if_a_kill_cut_off_what_dvc_wrote(copied: Path) -> None:
    os.truncate("dvc.lock", 99)
    (copied / "reports").mkdir()
    (copied / "reports" / "comparison.md").write_text("| method | PCK |\n")
    done = run_pipeline(copied, "side")
    assert done.returncode == 0, done.stderr
    assert finished_tasks(done.stderr) == ["top", "side@left", "side@right"]
    assert "dvc.lock was cut off by a kill" in done.stderr
    assert "Running stage" not in done.stderr
    assert "| method | PCK |" in done.stdout


def test_a_users_mistake_in_a_stage_is_one_line_and_status_2(project: Path) -> None:
    (project / "dvc.yaml").write_text(FAILING)
    done = run_pipeline(project)
    assert done.returncode == 2
    assert "\nerror: images/: no such folder\nnot run: behind\n" in done.stderr
    assert "Traceback" not in done.stderr
    assert (project / "apart.txt").exists()  # what does not depend on it goes on
    assert newest_parent(project).info.status == "FAILED"


def test_a_wrong_setting_is_told_before_anything_starts(project: Path) -> None:
    done = run_pipeline(project, "--set", "schedule.epoch=3")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: params.yaml + schedule.epoch=3: schedule.epoch: unknown key\n"
    assert (project / "params.yaml").read_text() == (ROOT / "params.yaml").read_text()


def test_sigterm_leaves_no_process_behind(project: Path) -> None:
    (project / "stage.py").write_text(LONG_STAGE)
    (project / "dvc.yaml").write_text("stages:\n  long:\n    cmd: python stage.py\n    outs: [long.txt]\n")
    with (project / "output.txt").open("w") as output:
        flow = subprocess.Popen(
            [sys.executable, "-m", "pipelines.run"],
            cwd=project,
            env=environment(project),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    wait_for(project / "started", 120)
    everyone = psutil.Process(flow.pid).children(recursive=True)
    assert len(everyone) >= 4  # Prefect's server, dvc, the stage and the stage's own child
    flow.send_signal(signal.SIGTERM)
    assert flow.wait(timeout=90) == 128 + signal.SIGTERM, (project / "output.txt").read_text()
    _, alive = psutil.wait_procs(everyone, timeout=20)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []
    assert newest_parent(project).info.status == "KILLED"


def test_the_graph_is_dvcs(project: Path) -> None:
    (project / "dvc.yaml").write_text(DIAMOND)
    everything = read_graph([])
    assert list(everything) == ["top", "side@left", "side@right", "bottom"]
    assert set(everything["bottom"]) == {"side@left", "side@right"}
    assert set(read_graph(["side"])) == {"top", "side@left", "side@right"}
    assert list(read_graph(["side@right"])) == ["top", "side@right"]
    with pytest.raises(UserError, match="middle: no such stage; there are "):
        read_graph(["middle"])
    (project / "dvc.yaml").write_text("stages: [")
    with pytest.raises(UserError, match=r"dvc\.yaml"):
        read_graph([])


def test_stages_come_by_the_length_of_their_way(project: Path) -> None:
    """One that waits for its needs takes a place from none that could run."""
    (project / "dvc.yaml").write_text(FAILING)
    assert list(read_graph([])) == ["first", "apart", "behind"]


def test_only_what_has_changed_and_what_is_behind_it_is_stale(copied: Path) -> None:
    graph = read_graph([])
    assert stale_stages(graph) == set()
    (copied / "right.txt").unlink()
    assert stale_stages(graph) == {"side@right", "bottom"}
    assert stale_stages(read_graph(["side@left"])) == set()
    shutil.copy2(ROOT / "params.yaml", copied / "params.yaml")
    assert stale_stages(graph) == set(graph)


@pytest.fixture
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stages of the small project import the entry point of this one."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "src")]))


def run_one(name: str) -> tuple[bool, list[str], list[tuple[int, int]]]:
    lines: list[str] = []
    steps: list[tuple[int, int]] = []
    ran = run_stage(name, ChildProcesses(), {}, lines.append, lambda *step: steps.append(step))
    return ran, lines, steps


@pytest.mark.usefixtures("_importable")
def test_a_stage_runs_once_and_its_lines_and_progress_are_handed_on(project: Path) -> None:
    ran, lines, steps = run_one("top")
    assert (ran, steps) == (True, [(3, 4)])
    assert "hello from the top" in lines
    again, _, steps = run_one("top")
    assert (again, steps) == (False, [])


@pytest.mark.usefixtures("_importable")
def test_a_mistake_is_told_by_its_event_whatever_is_printed(project: Path) -> None:
    (project / "dvc.yaml").write_text(FAILING)
    with pytest.raises(StageError, match=r"^images/: no such folder$") as caught:
        run_one("first")
    assert caught.value.by_mistake


def test_a_failing_stage_shows_its_last_lines(project: Path) -> None:
    (project / "dvc.yaml").write_text(
        "stages:\n  wrong:\n    cmd: \"seq 50; echo 'error: not mine'; exit 2\"\n    outs: [x]\n"
    )
    with pytest.raises(StageError) as caught:
        run_one("wrong")
    assert not caught.value.by_mistake
    assert len(caught.value.lines) == 20
    assert "exited with 2" in caught.value.lines[-1]
    assert "not mine" in log_path("wrong").read_text()


def test_a_busy_lock_is_told_from_a_failure(project: Path) -> None:
    (project / "dvc.yaml").write_text("stages:\n  long:\n    cmd: touch started; sleep 60\n    outs: [x]\n")
    command = [sys.executable, "-m", "dvc", "repro", "-s", "long"]
    other = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        wait_for(project / "started", 60)
        with pytest.raises(LockBusyError):
            run_one("long")
    finally:
        os.killpg(other.pid, signal.SIGKILL)
        other.wait()


def test_nothing_starts_once_the_pipeline_is_being_stopped(project: Path) -> None:
    (project / "dvc.yaml").write_text(DIAMOND)
    processes = ChildProcesses()
    processes.stop()
    with pytest.raises(StoppedError):
        run_stage("top", processes, {}, print, print)
    assert not (project / "top.txt").exists()
