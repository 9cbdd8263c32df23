"""Who computes when and on which GPU: slots of Prefect's server, and a lock for each GPU of this machine.

The slots are the global concurrency limit ``gpu`` (``prefect gcl update gpu --limit 4``): they bound what
computes at once over all pipelines, sweeps and machines of a server. Where the server has no such limit, only
``jobs`` bounds them. A stage that has a slot is shown one GPU that no other stage on this machine uses.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from httpx import HTTPError
from prefect.client.orchestration import get_client
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectNotFound

from pipelines._file_lock import take_lock
from stages._entry import RANKS

SLOTS = "gpu"
COMPUTING = ("train", "train_style", "predict")
_LEASE_SECONDS = 60  # a slot whose holder was killed is free again after this


def slots_on_server() -> int | None:
    """How many stages the server lets compute at once; None if it does not say."""
    with get_client(sync_client=True) as client:
        try:
            return client.read_global_concurrency_limit_by_name(SLOTS).limit
        except ObjectNotFound:
            return None


@contextmanager
def computing_slot(stage: str, *, limited: bool) -> Iterator[dict[str, str]]:
    """Wait for a slot if the stage computes on a GPU; yields what its environment gets.

    Args:
        stage: name of a DVC stage.
        limited: whether the server has slots; a stage waits for none where it has not.
    """
    if stage.partition("@")[0] not in COMPUTING:
        yield {}
        return
    with ExitStack() as stack:
        if limited:
            stack.enter_context(_slot())
        gpus = [] if os.environ.get(RANKS, "1") != "1" else visible_gpus()  # ranks take all of them
        gpu = stack.enter_context(free_gpu(gpus)) if len(gpus) > 1 else None
        yield {"CUDA_VISIBLE_DEVICES": gpu} if gpu else {}


@contextmanager
def _slot() -> Iterator[None]:
    slot = concurrency(SLOTS, lease_duration=_LEASE_SECONDS, raise_on_lease_renewal_failure=False)
    slot.__enter__()
    try:
        yield
    finally:
        with suppress(HTTPError):  # the server is away: what the stage did stands, and the lease runs out
            slot.__exit__(None, None, None)


def visible_gpus() -> list[str]:
    """Numbers or names of the GPUs that this process may use."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [gpu.strip() for gpu in chosen.split(",") if gpu.strip()]
    if not shutil.which("nvidia-smi"):
        return []
    query = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    found = subprocess.run(query, capture_output=True, text=True, check=False)
    return found.stdout.split() if found.returncode == 0 else []


@contextmanager
def free_gpu(gpus: Sequence[str]) -> Iterator[str | None]:
    """Hold the first GPU that no other stage here holds; None if all are held (more slots than GPUs)."""
    for gpu in gpus:
        path = Path(tempfile.gettempdir()) / f"actupose-{os.getuid()}-gpu-{gpu}.lock"
        with path.open("a") as lock:
            if take_lock(lock):
                yield gpu
                return
    yield None
