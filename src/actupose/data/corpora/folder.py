"""Unlabelled images anywhere below a folder; a seeded share of them is kept for testing."""

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from actupose.core.rng import derive_seed
from actupose.data.corpora.records import Record, Refusal, Rejection, Split, locate
from actupose.errors import UserError
from actupose.params import FolderData

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})


def index_folder(settings: FolderData) -> Iterator[Record | Rejection]:
    """One record an image file, sorted by path; files with other suffixes are no images.

    Raises:
        UserError: there is no image.
    """
    names = sorted(names_below(settings.root, SUFFIXES))
    if not names:
        raise UserError(f"{settings.root}: no images ({', '.join(sorted(SUFFIXES))}) in it or below it")
    tested = _test_names(names, settings)
    folder = settings.root.resolve()
    for name in names:
        split: Split = "test" if name in tested else "train"
        try:
            yield Record(name, locate(folder, name), {split: name}, label=None)
        except Refusal as refusal:
            yield Rejection(name, str(refusal))


def names_below(root: Path, suffixes: Collection[str]) -> Iterator[str]:
    """Paths relative to ``root``; hidden files and folders (thumbnails, ``._`` files) are left out."""
    endings = tuple(suffixes)
    for folder, subfolders, files in os.walk(root):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        below = Path(folder).relative_to(root).as_posix()
        prefix = "" if below == "." else f"{below}/"
        for name in files:
            if name.lower().endswith(endings) and not name.startswith("."):
                yield prefix + name


def _test_names(names: list[str], settings: FolderData) -> frozenset[str]:
    """The share for testing: the names that come first when all are ordered by a seeded hash.

    So a file added later moves few others between the splits.
    """
    shuffled = sorted(names, key=lambda name: derive_seed(settings.seed, f"folder split {name!a}"))
    return frozenset(shuffled[: round(settings.test_fraction * len(names))])
