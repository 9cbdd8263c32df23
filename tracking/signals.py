"""Signals while a local database is at work."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tracking.store import local_database


@contextmanager
def signals_held() -> Iterator[None]:
    """Let SIGTERM and SIGINT wait until the block is done, if the store is a database on this machine.

    Their handlers raise: in the middle of a transaction that would leave the database locked, by ourselves,
    for what is to be told last.
    """
    if local_database() is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    numbers = (signal.SIGTERM, signal.SIGINT)
    handlers = {number: signal.signal(number, lambda found, _frame: came.append(found)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    for number in came[:1]:
        signal.raise_signal(number)
