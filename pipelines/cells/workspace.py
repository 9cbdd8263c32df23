"""A copy of the project to run in, which shares DVC's cache with it and leaves the project as it is."""

import shutil
import subprocess
from pathlib import Path

from dvc.config import Config
from dvc.repo import Repo

from actupose.errors import UserError
from actupose.layout import PARAMS, STATE
from actupose.params import Params

_EXCLUDED_FOLDERS = ("benchmarks/", "docs/", "sweeps/", "tests/")
_REPLACED_FILES = ("dvc.lock", str(PARAMS))


def tracked_files() -> list[Path]:
    """What a run needs of what git lists: files under version control as they are now, and new ones.

    Raises:
        UserError: git is not there, or this is no repository.
    """
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        done = subprocess.run(listing, capture_output=True, check=False)
    except FileNotFoundError:
        raise UserError("git is not installed; a sweep's cells are copies of what it lists") from None
    if done.returncode:
        raise UserError(
            f"git ls-files: {done.stderr.decode().strip()}; a sweep's cells are copies of what it lists"
        )
    names = done.stdout.decode().split("\0")
    return [Path(name) for name in names if _is_for_runs(name) and Path(name).is_file()]


def _is_for_runs(name: str) -> bool:
    return bool(name) and not name.startswith(_EXCLUDED_FOLDERS) and name not in _REPLACED_FILES


def make_workspace(folder: Path, files: list[Path], params: str) -> None:
    """Copy the project's ``files`` again, with other params; a run's own state (checkpoints) stays.

    Outputs of earlier runs come back from DVC's cache, as links: nothing large is copied.
    """
    folder.mkdir(parents=True, exist_ok=True)
    clear_workspace(folder)
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(name, folder / name)
    (folder / PARAMS).write_text(params)
    _share_cache(folder)


def clear_workspace(folder: Path) -> None:
    """Remove everything but a run's own state: checkpoints, logs, what MLflow has not got yet."""
    for entry in folder.iterdir():
        if entry.name != STATE.name:
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()


def absolute_places(params: Params, files: list[Path]) -> list[str]:
    """``key=value`` for each relative place of the settings that is not, or not wholly, among ``files``."""
    places = {
        "data.source.root": params.data.source.root,
        "data.target.root": params.data.target.root,
        "network.pretrained": params.network.pretrained,
        "style_net.encoder": params.style_net.encoder,
    }
    known = set(files)
    return [
        f"{key}={Path(place).resolve()}"
        for key, place in places.items()
        if place
        and not Path(place).is_absolute()
        and Path(place).exists()
        and not _is_among(known, Path(place))
    ]


def _is_among(known: set[Path], place: Path) -> bool:
    if place.is_file():
        return place in known
    files = (path for path in place.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return all(path in known for path in files)


def _share_cache(folder: Path) -> None:
    """Use the project's cache and run-cache; git is left out, which ignores the folder we are in."""
    with Repo(".") as repo:
        cache = repo.cache.local_cache_dir
    with Config(str(folder / ".dvc")).edit("local") as config:
        config["cache"] = {"dir": cache, "type": ["reflink", "hardlink", "symlink"]}
        config["core"] = {"no_scm": True}
