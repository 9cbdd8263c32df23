"""Look whether a data folder has changed, and notify Prefect: deployments that wait for it run again.

Deployed on a schedule (prefect.yaml), it emits ``actupose.data.changed`` for ``actupose.data.source`` or
``actupose.data.target``; the deployment ``on-new-data`` is triggered by it. DVC says what has changed.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dvc.lock import LockError
from dvc.repo import Repo
from prefect import flow
from prefect.client.schemas.objects import State
from prefect.events import emit_event
from prefect.states import Completed

from actupose.layout import PARAMS
from actupose.params import load_params
from pipelines.stage_runs.workspace import try_workspace_lock

CHANGED = "actupose.data.changed"


@flow(name="watch-data", persist_result=False)
def watch_data() -> State[Any]:
    """Emit an event for each domain whose data folder is not as it was ingested."""
    with try_workspace_lock() as free:
        if not free:
            return Completed(message="not looked: a pipeline is at work, which reads the folders itself")
        try:
            changed = changed_roots()
        except LockError:
            return Completed(message="not looked: another DVC command is at work")
    for domain, root in changed.items():
        resource = {"prefect.resource.id": f"actupose.data.{domain}", "prefect.resource.name": str(root)}
        emit_event(event=CHANGED, resource=resource, payload={"root": str(root)})
    return Completed(message=f"changed: {', '.join(changed)}" if changed else "nothing has changed")


def changed_roots() -> dict[str, Path]:
    """Domain -> data folder of those that DVC finds changed since they were ingested."""
    params = load_params(PARAMS)
    roots = {"source": params.data.source.root, "target": params.data.target.root}
    with Repo(".") as repo:
        status = repo.status(["ingest"])
    return {
        domain: root
        for domain, root in roots.items()
        for entry in status.get(f"ingest@{domain}", [])
        if isinstance(entry, dict) and root.resolve() in _resolved(entry.get("changed deps", {}))
    }


def _resolved(places: Iterable[str]) -> set[Path]:
    return {Path(place).resolve() for place in places}
