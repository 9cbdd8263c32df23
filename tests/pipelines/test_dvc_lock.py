import os
import subprocess
import sys
from pathlib import Path

import pytest
from dvc.lock import Lock

from pipelines._dvc_lock import LOCK_FILE, is_cut_off, remove_cut_off

PIPELINE = "stages:\n  only:\n    cmd: cp given.txt made.txt\n    deps: [given.txt]\n    outs: [made.txt]\n"


def dvc(*arguments: str) -> str:
    command = [sys.executable, "-m", "dvc", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of DVC whose one stage has run."""
    folder = tmp_path_factory.mktemp("lock_file")
    (folder / "dvc.yaml").write_text(PIPELINE)
    (folder / "given.txt").write_text("given\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        dvc("init", "--no-scm", "--quiet")
        dvc("repro")
    return folder


@pytest.fixture
def whole(repository: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    monkeypatch.chdir(repository)
    if not LOCK_FILE.exists() or is_cut_off():
        LOCK_FILE.unlink(missing_ok=True)
        dvc("repro")
    return LOCK_FILE.read_bytes()


def test_what_dvc_wrote_to_its_end_stays(whole: bytes) -> None:
    told: list[str] = []
    remove_cut_off(told.append)
    assert (LOCK_FILE.read_bytes(), told) == (whole, [])


@pytest.mark.parametrize("length", [0, 9, 20])
def test_what_a_kill_cut_off_is_removed_and_nothing_is_lost(whole: bytes, length: int) -> None:
    os.truncate(LOCK_FILE, length)
    told: list[str] = []
    remove_cut_off(told.append)
    assert told == ["dvc.lock was cut off by a kill: removed; finished stages come from DVC's cache"]
    assert "Stage 'only' is cached - skipping run" in dvc("repro")
    assert LOCK_FILE.read_bytes() == whole


def test_a_lock_file_that_dvc_may_be_writing_is_left_alone(whole: bytes) -> None:
    LOCK_FILE.write_bytes(whole[:9])
    with Lock(".dvc/tmp/lock"):
        remove_cut_off(lambda _: pytest.fail("it is DVC's turn"))
    assert LOCK_FILE.read_bytes() == whole[:9]


def test_where_nothing_has_run_yet_nothing_is_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert not is_cut_off()
