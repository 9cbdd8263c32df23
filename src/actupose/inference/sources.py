"""What is predicted on: pictures, videos and folders of both, read one by one."""

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from actupose.data.corpora.folder import SUFFIXES, names_below
from actupose.errors import UserError
from actupose.inference.video import VIDEO_SUFFIXES, count_frames


@dataclass(frozen=True)
class Source:
    """A picture or a video.

    Attributes:
        name: path below the folder that holds everything given, parts joined by ``/``.
        num_frames: what a video announces, 1 of a picture.
    """

    path: Path
    name: str
    is_video: bool
    num_frames: int


def find_sources(places: Sequence[Path], leave_out: Path) -> list[Source]:
    """Pictures and videos among ``places`` and, sorted, below those that are folders; each once.

    Args:
        places: files and folders.
        leave_out: a folder to stay out of: that of the overlays to come.

    Raises:
        UserError: a place does not exist or holds neither, or a video cannot be opened.
    """
    folders = [place.resolve() if place.is_dir() else place.parent.resolve() for place in places]
    found = [
        file
        for place, folder in zip(places, folders, strict=True)
        for file in _files(place, folder, leave_out)
    ]
    root = os.path.commonpath(folders)
    return [_source(path, path.relative_to(root).as_posix()) for path in dict.fromkeys(found)]


def _files(place: Path, folder: Path, leave_out: Path) -> Iterator[Path]:
    known = SUFFIXES | VIDEO_SUFFIXES
    if place.is_dir():
        paths = [folder / name for name in sorted(names_below(folder, known))]
        kept = [path for path in paths if not path.is_relative_to(leave_out.resolve())]
        if not kept:
            raise UserError(f"{place}: no pictures or videos ({_listed(known)}) in it or below it")
        yield from kept
    elif not place.is_file():
        raise UserError(f"{place}: {'is not a file' if place.exists() else 'no such file or folder'}")
    elif place.suffix.lower() not in known:
        raise UserError(f"{place}: by its name no picture or video ({_listed(known)})")
    else:
        yield folder / place.name


def _listed(suffixes: Collection[str]) -> str:
    return ", ".join(sorted(suffixes))


def _source(path: Path, name: str) -> Source:
    is_video = path.suffix.lower() in VIDEO_SUFFIXES
    return Source(path, name, is_video, count_frames(path) if is_video else 1)
