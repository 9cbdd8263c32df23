"""DVC's locks: who holds them, and which a dead process left behind; and its lock file, cut off by a kill."""

import fcntl
import json
from pathlib import Path
from typing import Any

import psutil

from pipelines._dvc_lock import LOCK_FILE, is_cut_off
from pipelines.checks.check import Check

_NAME = "DVC"
_CLOCK_SECONDS = 2.0


def check_locks(folder: Path) -> Check:
    """Whether there is a DVC repository in ``folder``, and whether the next command finds it free."""
    if not (folder / "config").exists():
        return Check(_NAME, "problem", f"no {folder} folder", "clone again, or dvc init")
    repository, paths = folder / "tmp" / "lock", folder / "tmp" / "rwlock"
    if repository.exists() and repository.stat().st_nlink > 1:
        advice = f"if no DVC command runs: rm {repository}"
        return Check(_NAME, "warning", f"{repository} is held through a hard link", advice)
    held = ["the repository is locked by a DVC command"] if _is_locked(repository) else []
    if not held and is_cut_off():
        advice = f"rm {LOCK_FILE}; dvc repro takes finished stages from its cache"
        return Check(_NAME, "problem", f"{LOCK_FILE} was cut off by a kill", advice)
    try:
        holders = _holders(paths)
    except (ValueError, KeyError, TypeError, AttributeError):  # DVC writes it in place, not atomically
        return Check(_NAME, "problem", f"{paths} is cut off or damaged", f"rm {paths}")
    return _judge(paths, holders, held)


def _judge(paths: Path, holders: dict[int, str], held: list[str]) -> Check:
    written = paths.stat().st_mtime if holders else 0.0
    states = {pid: _state(pid, written) for pid in holders}
    reused = [pid for pid, state in states.items() if state == "another"]
    if reused:
        found = f"{_list(holders, reused)} left files locked, and that number is another process now"
        return Check(_NAME, "problem", found, f"rm {paths}")
    dead = [pid for pid, state in states.items() if state == "dead"]
    if dead:
        found = f"files were left locked by {_list(holders, dead)}, which is dead"
        return Check(_NAME, "warning", found, "nothing: the next dvc repro takes them over")
    live = [pid for pid, state in states.items() if state == "alive"]
    held += [f"files are locked by {_list(holders, live)}, which runs"] if live else []
    return Check(_NAME, "ok", "; ".join(held) or "nothing is locked")


def _is_locked(path: Path) -> bool:
    """Whether a process holds the lock now; the file itself stays when it is free."""
    if not path.exists():
        return False
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _holders(path: Path) -> dict[int, str]:
    """Process -> command of everything in DVC's list of locked files."""
    if not path.exists():
        return {}
    locks: dict[str, Any] = json.loads(path.read_text())
    readers = [reader for readers in locks.get("read", {}).values() for reader in readers]
    return {int(one["pid"]): str(one["cmd"]) for one in [*readers, *locks.get("write", {}).values()]}


def _state(pid: int, written: float) -> str:
    """``another``: the number was given to a process that began after the list was last written."""
    try:
        return "another" if psutil.Process(pid).create_time() > written + _CLOCK_SECONDS else "alive"
    except psutil.NoSuchProcess:
        return "dead"


def _list(holders: dict[int, str], pids: list[int]) -> str:
    return ", ".join(f"process {pid} ({holders[pid]})" for pid in pids)
