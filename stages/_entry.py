"""How every stage starts, and how it tells a user's mistake or a full disk."""

import errno
import os
import re
import sys
from collections.abc import Callable

from safetensors import SafetensorError

from actupose.errors import UserError

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def run_stage(body: Callable[[], None]) -> None:
    """Run a stage; a user's mistake or a full disk becomes one line on stderr and exit status 2."""
    try:
        body()
    except UserError as error:
        _end(str(error))
    except (OSError, SafetensorError) as error:
        if _error_number(error) not in _NO_SPACE:
            raise
        details = "; ".join(getattr(error, "__notes__", []))
        reason = os.strerror(_error_number(error))
        _end(f"{reason}: free some space and run again" + (f" ({details})" if details else ""))


def _error_number(error: OSError | SafetensorError) -> int:
    """Read the system's number of an error; safetensors has it in its message alone."""
    if isinstance(error, OSError):
        return error.errno or 0
    found = re.search(r"\(os error (\d+)\)", str(error))
    return int(found[1]) if found else 0


def _end(line: str) -> None:
    print(f"error: {line}", file=sys.stderr)
    sys.exit(2)
