"""dvc.lock, which DVC writes in place: a kill in that moment leaves a part of it, which no DVC command reads.

Nothing else is lost: DVC's run-cache knows each finished stage by what went into it.
"""

from collections.abc import Callable
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.lock import LockError
from dvc.repo import Repo
from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from dvc.utils.serialize import load_yaml
from voluptuous import Invalid

LOCK_FILE = Path("dvc.lock")


def is_cut_off() -> bool:
    """Whether dvc.lock is there and DVC cannot read it."""
    if not LOCK_FILE.exists():
        return False
    try:
        COMPILED_LOCKFILE_SCHEMA(load_yaml(LOCK_FILE))
    except (DvcException, Invalid):
        return True
    return False


def remove_cut_off(log: Callable[[str], object]) -> None:
    """Remove a dvc.lock that is cut off, unless a DVC command holds the repository and may be writing it."""
    if not is_cut_off():
        return
    try:
        with Repo(".") as repo, repo.lock:
            if is_cut_off():
                LOCK_FILE.unlink()
                log(f"{LOCK_FILE} was cut off by a kill: removed; finished stages come from DVC's cache")
    except LockError:
        return
