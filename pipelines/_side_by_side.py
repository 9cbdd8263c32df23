"""Prefect tasks that wait for each other, and as many of them side by side as are allowed."""

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from queue import SimpleQueue
from typing import Any

from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture

_Ended = SimpleQueue[tuple[str, PrefectFuture[Any]]]


def run_side_by_side(
    needs: Mapping[str, Collection[str]],
    limit: int,
    start: Callable[[str], PrefectFuture[Any]],
    *,
    past_failures: bool,
) -> Iterator[tuple[str, State[Any]]]:
    """Start each task once those it needs have ended; yields the final state of each as it ends.

    Args:
        needs: names of the tasks, in an order that can run, each with those it waits for.
        limit: how many run at a time.
        start: submits the task of a name.
        past_failures: whether a task that failed lets those behind it start; else they never do, and are not
            yielded.
    """
    waiting, running, passed = list(needs), 0, set[str]()
    ended: _Ended = SimpleQueue()
    while True:
        ready = [name for name in waiting if passed.issuperset(needs[name])]
        for name in ready[: limit - running]:
            start(name).add_done_callback(partial(_announce, ended, name))
            waiting.remove(name)
            running += 1
        if not running:
            return
        name, future = ended.get()
        future.wait()  # takes the state over, with its data
        running -= 1
        if past_failures or future.state.is_completed():
            passed.add(name)
        yield name, future.state


def _announce(ended: _Ended, name: str, future: PrefectFuture[Any]) -> None:
    ended.put((name, future))
