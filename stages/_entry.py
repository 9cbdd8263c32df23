"""How every stage starts and how it tells a user's mistake."""

import sys
from collections.abc import Callable

from actupose.errors import UserError


def run_stage(body: Callable[[], None]) -> None:
    """Run a stage; a user's mistake becomes one line on stderr and exit status 2."""
    try:
        body()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
