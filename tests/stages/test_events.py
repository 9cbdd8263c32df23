"""Events: what a stage tells the program that started it."""

import json
from pathlib import Path

import pytest

from actupose.errors import UserError
from stages._entry import run_stage
from stages.events import EVENTS, emit


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(EVENTS, str(tmp_path / "journal"))
    monkeypatch.delenv("DVC_STAGE", raising=False)
    return tmp_path / "journal"


def events_of(journal: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in journal.read_text().splitlines()]


def test_a_stage_tells_its_start_and_its_progress(journal: Path) -> None:
    run_stage(lambda: emit("progress", done=1, total=2, unit="epoch"))
    started, progress = events_of(journal)
    assert started == {"event": "started", "stage": None}
    assert progress == {"event": "progress", "stage": None, "done": 1, "total": 2, "unit": "epoch"}


def test_a_mistake_is_an_event_and_a_line(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def body() -> None:
        raise UserError("images/: no such folder")

    with pytest.raises(SystemExit, match="2"):
        run_stage(body)
    assert events_of(journal)[-1] == {"event": "mistake", "stage": None, "message": "images/: no such folder"}
    assert capsys.readouterr().err == "error: images/: no such folder\n"


def test_what_cannot_be_written_stops_no_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(EVENTS, str(tmp_path / "no such folder" / "journal"))
    emit("started")
    monkeypatch.delenv(EVENTS)
    emit("started")
    assert list(tmp_path.iterdir()) == []
