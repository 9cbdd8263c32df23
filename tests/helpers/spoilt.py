"""What the tables of bad inputs share: ways to spoil one thing, and what must be said of it."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from corpus_files import run_ingest
from tiny_corpora import TINY_CORPORA

from actupose.tables import REJECTED, read_table
from stages._entry import run_stage


@dataclass(frozen=True)
class Bad:
    """A good corpus of ``reader``, spoilt, or read with other settings."""

    reader: str
    spoil: Callable[[Path], object]
    changes: dict = field(default_factory=dict, kw_only=True)

    def settings(self, root):
        """Write it; returns what reads it."""
        settings = TINY_CORPORA[self.reader](root)
        self.spoil(root)
        return settings.model_copy(update=self.changes)


@dataclass(frozen=True)
class Told(Bad):
    """It ends the stage with the line ``says``; ``{root}`` is its root, ``...`` another library's words."""

    says: str

    def assert_refused(self, tmp_path, capsys):
        settings, out = self.settings(tmp_path / "in"), tmp_path / "out"
        line = line_of(lambda: run_ingest(settings, out), capsys)
        assert_says(line, self.says.format(root=tmp_path / "in"))
        assert {path.name for path in out.glob("*")} <= {"rejected.parquet"}


@dataclass(frozen=True)
class Rejected(Bad):
    """It is stored but for the inputs in ``rows``, path to reason; without tolerance the first is told."""

    rows: dict

    def assert_refused(self, tmp_path, capsys):
        settings, out = self.settings(tmp_path / "in"), tmp_path / "out"
        samples, rejected = run_ingest(settings, tmp_path / "tolerant", allowed=0.9)
        assert len(samples) >= 2
        assert rejected.to_pylist() == [{"path": path, "reason": why} for path, why in self.rows.items()]
        path, reason = next(iter(self.rows.items()))
        line = line_of(lambda: run_ingest(settings, out), capsys)
        assert line.startswith(f"{len(self.rows)} of ")
        assert line.endswith(f"; all are listed in {out / 'rejected.parquet'}; first: {path}: {reason}")
        assert [path.name for path in out.iterdir()] == ["rejected.parquet"]
        assert read_table(out / "rejected.parquet", REJECTED).equals(rejected)


def line_of(call, capsys) -> str:
    """The line on stderr with which a stage that makes the call ends, with status 2."""
    with pytest.raises(SystemExit) as ended:
        run_stage(call)
    printed = capsys.readouterr().err
    assert ended.value.code == 2
    assert printed.startswith("error: ") and printed.endswith("\n") and len(printed.splitlines()) == 1
    return printed.removeprefix("error: ").removesuffix("\n")


def assert_says(line, says) -> None:
    """The line is the expected one; ``...`` stands for the words of another library."""
    begins, _, ends = says.partition("...")
    assert line == says or ("..." in says and line.startswith(begins) and line.endswith(ends)), line


# Ways to spoil one thing below a root.


def holding(name, content):
    """The file holds other bytes, text or JSON."""

    def spoil(root: Path) -> None:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        if not isinstance(content, bytes | str):
            path.write_text(json.dumps(content))
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    return spoil


def cut_short(name, left):
    """Of the file, the share ``left`` is left."""

    def spoil(root: Path) -> None:
        content = (root / name).read_bytes()
        holding(name, content[: int(left * len(content))])(root)

    return spoil


def with_value(name, keys, value):
    """The value at ``keys`` in a JSON file is another one."""

    def spoil(root: Path) -> None:
        content = json.loads((root / name).read_text())
        spot = content
        for key in keys[:-1]:
            spot = spot[key]
        spot[keys[-1]] = value
        holding(name, content)(root)

    return spoil


def without(name, keys=()):
    """The file, or the value at ``keys`` in it, is missing."""

    def spoil(root: Path) -> None:
        content = json.loads((root / name).read_text())
        spot = content
        for key in keys[:-1]:
            spot = spot[key]
        del spot[keys[-1]]
        holding(name, content)(root)

    return spoil if keys else lambda root: (root / name).unlink()


def as_folder(name):
    """A folder lies where the file should."""
    return lambda root: ((root / name).unlink(), (root / name).mkdir())


def as_pipe(name):
    """A pipe lies where the file should; nobody writes to it."""
    return lambda root: ((root / name).unlink(), os.mkfifo(root / name))


def as_link(name, target):
    """The file is a link to ``target``, where its content lies if that is outside the root."""

    def spoil(root: Path) -> None:
        path = root / name
        content = path.read_bytes()
        path.unlink()
        path.symlink_to(target)
        if target.startswith(".."):
            (path.parent / target).write_bytes(content)

    return spoil
