"""What a corpus reader hands on: one record a picture, or the reason why an input was refused."""

import json
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from actupose.errors import UserError

Split = Literal["train", "val", "test"]
EntryT = TypeVar("EntryT", bound="Entry")


@dataclass(frozen=True)
class Label:
    """Keypoints of one person in the frame of its file.

    Attributes:
        keypoints_orig: (K, 2) float64 pixels; the value counts only where ``annotated``.
        annotated: (K,) bool.
        visible: (K,) bool, never set where not annotated.
    """

    keypoints_orig: np.ndarray
    annotated: np.ndarray
    visible: np.ndarray

    @classmethod
    def all_visible(cls, keypoints_orig: np.ndarray) -> Self:
        """Label of a corpus that does not say what is hidden."""
        everywhere = np.ones(len(keypoints_orig), dtype=bool)
        return cls(keypoints_orig, everywhere, everywhere)


@dataclass(frozen=True)
class PersonBox:
    """(left, upper, right, lower) of a person or hand in its file; the crop is ``factor`` times as large."""

    corners: tuple[float, float, float, float]
    factor: float

    @classmethod
    def around(cls, points_orig: np.ndarray, factor: float) -> Self:
        """Box of (K, 2) points in pixels of the file."""
        left, upper = points_orig.min(axis=0).tolist()
        right, lower = points_orig.max(axis=0).tolist()
        return cls((left, upper, right, lower), factor)


@dataclass(frozen=True)
class Record:
    """One picture to store.

    Attributes:
        origin: how the rejected list names it: a path relative to the corpus' root.
        image: a file, or (H, W, 3) uint8 RGB pixels.
        ids: sample id in every split the picture serves.
        label: None where the corpus has no labels.
        person: what to cut out; None keeps the whole picture.
        mirrored: store the mirror image, so that a right hand becomes a left one.
    """

    origin: str
    image: Path | np.ndarray
    ids: Mapping[Split, str]
    label: Label | None
    person: PersonBox | None = None
    mirrored: bool = False


@dataclass(frozen=True)
class Rejection:
    """A refused input; one that is no ``fault`` (a crowd, say) does not count towards the allowed share."""

    path: str
    reason: str
    fault: bool = True


class Refusal(Exception):  # noqa: N818 - it refuses one input, nothing has gone wrong
    """Raised where an input turns out unusable; the message is the reason of its :class:`Rejection`."""


class Entry(BaseModel):
    """Base of one entry of a label file: types are not converted, further fields ignored."""

    model_config = ConfigDict(frozen=True, strict=True)


def parse_entry(kind: type[EntryT], value: Any) -> EntryT:  # noqa: ANN401 - whatever JSON held
    """Check one entry of a label file.

    Raises:
        Refusal: it lacks a field or holds a wrong one.
    """
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "entry"
        raise Refusal(f"{where}: {first['msg']}") from None


def read_json(path: Path, kind: type[list[Any]] | type[dict[str, Any]]) -> Any:  # noqa: ANN401 - foreign JSON
    """Read a label file whose outermost value is a list or an object.

    Raises:
        UserError: the file is missing, is not JSON, or holds something else.
    """
    check_label_file(path)
    try:
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not valid JSON: {error}") from None
    if not isinstance(value, kind):
        wanted = {list: "a list", dict: "an object"}
        raise UserError(f"{path}: holds a JSON {type(value).__name__}, expected {wanted[kind]}")
    return value


def check_label_file(path: Path) -> None:
    """Raise a UserError unless a label file is a regular one: a pipe would be waited for."""
    if not path.is_file():
        fault = "is not a file" if path.exists() else "no such file"
        raise UserError(f"{path}: {fault}; is this the corpus' root folder?")


def locate(folder: Path, name: str) -> Path:
    """Path of a file that an annotation names, below ``folder`` (already resolved).

    Names are data: one that is absolute, or leaves the folder through ``..`` or a symbolic link, is refused.
    That ``folder`` itself may lie behind a link is the user's own doing: it is no name from a file.

    Raises:
        Refusal: as said, or there is no such regular file.
    """
    if name.startswith("/"):
        raise Refusal("file name is an absolute path")
    try:
        parent, last = os.path.split(name)
        path = _resolve_folder(folder, parent) / last
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            path = _resolve(folder, path)
            mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise Refusal("no such image file") from None
    except (OSError, ValueError, RuntimeError):  # a null byte, a loop of links, a name too long
        raise Refusal("not a usable file name") from None
    if not stat.S_ISREG(mode):
        raise Refusal("no such image file")
    return path


@lru_cache(maxsize=1024)  # a folder holds many files, and following its links takes longer than reading one
def _resolve_folder(folder: Path, name: str) -> Path:
    return _resolve(folder, folder / name)


def _resolve(folder: Path, path: Path) -> Path:
    resolved = path.resolve()
    if not resolved.is_relative_to(folder):
        raise Refusal("file name leaves the data folder")
    return resolved


def check_keypoint_names(names: Iterable[str], known: Iterable[str], origin: str) -> None:
    """Raise a UserError that begins with ``origin`` when a name is not among ``known``."""
    allowed = list(known)
    for name in names:
        if name not in allowed:
            raise UserError(f"{origin}: no keypoint {name!r}; there are {', '.join(allowed)}")
