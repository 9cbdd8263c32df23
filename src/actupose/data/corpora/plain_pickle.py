"""Pickles from outside: numbers, text, containers and numeric arrays are read, anything else is refused.

Unpickling calls whatever the file names, so the file may name the parts of a NumPy array and nothing more.
Even these are stand-ins: NumPy's own believe a forged element type and then read memory that is not theirs.
"""

import io
import pickle
import pickletools
from pathlib import Path
from typing import Any

import numpy as np

from actupose.data.corpora.records import check_label_file
from actupose.errors import UserError

CODES = frozenset({"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"})
NUMBERED = frozenset({"PUT", "LONG_BINPUT"})  # memoise a value under a number that the file gives


def read_plain_pickle(path: Path) -> Any:  # noqa: ANN401 - whatever the pickle held
    """Content of a pickle; its arrays are :class:`PickledArray`.

    Raises:
        UserError: the file is missing, damaged, or names anything but plain values. Nothing is run.
    """
    check_label_file(path)
    try:
        content = path.read_bytes()
        check_sizes(content)
        return PlainUnpickler(io.BytesIO(content), encoding="latin1").load()  # as Python 2 wrote arrays
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}") from None
    except Exception as error:  # a damaged pickle fails in a dozen ways
        raise UserError(f"{path}: not a pickle of plain values: {' '.join(str(error).split())}") from None


def check_sizes(content: bytes) -> None:
    """Walk through a pickle without running it.

    Raises:
        Exception: it is damaged, or announces more than it holds. The unpickler believes such numbers: ten
            bytes make it fill all memory.
    """
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name in NUMBERED and (argument or 0) > len(content):
            raise pickle.UnpicklingError(f"place {argument} in a file of {len(content)} bytes")


class PickledType:
    """Numeric type of an array's elements."""

    def __init__(self, code: str) -> None:
        if code not in CODES:
            raise pickle.UnpicklingError(f"an array of {code!r}")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])  # the rest describes types that are not numeric


class PickledArray:
    """A numeric array; ``np.asarray`` gives its values."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, by_columns, raw = state
        self.values = _values(raw, kind, shape, "F" if by_columns else "C")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:  # noqa: ANN401 - NumPy's protocol
        return np.array(self.values, dtype, copy=copy)


class PlainUnpickler(pickle.Unpickler):
    """Unpickler for which no name leads outside this file."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - the base class' signature
        """What a name of the pickle stands for.

        Raises:
            UnpicklingError: it is no part of a numeric array.
        """
        # Bound methods, because a pickle can overwrite the attributes of functions and classes.
        match module.replace("numpy._core", "numpy.core"), name:
            case "numpy", "ndarray":
                return None  # only ever handed to _reconstruct
            case "numpy", "dtype":
                return self._type
            case "numpy.core.multiarray", "_reconstruct":
                return self._empty
            case "numpy.core.multiarray", "scalar":
                return self._scalar
            case "numpy.core.numeric", "_frombuffer":
                return self._from_buffer
            case "_codecs", "encode":
                return self._encode
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")

    def _type(self, code: str, *_: object) -> PickledType:
        return PickledType(code)

    def _empty(self, *_: object) -> PickledArray:
        return PickledArray(np.empty(0))

    def _scalar(self, kind: PickledType, raw: bytes | str) -> Any:  # noqa: ANN401 - int, float or bool
        return _values(raw, kind, (), "C").item()

    def _from_buffer(self, raw: bytes, kind: PickledType, shape: tuple[int, ...], order: str) -> PickledArray:
        return PickledArray(_values(raw, kind, shape, order))

    def _encode(self, text: str, *_: object) -> bytes:
        return text.encode("latin1")


def _values(raw: bytes | str, kind: PickledType, shape: tuple[int, ...], order: Any) -> np.ndarray:  # noqa: ANN401
    content = raw.encode("latin1") if isinstance(raw, str) else raw
    return np.frombuffer(content, kind.dtype).reshape(shape, order=order)
