"""Prepare a Prefect server for this project: work pool, GPU slots, automation, deployments.

    PREFECT_API_URL=http://127.0.0.1:4200/api python -m pipelines.bootstrap --slots 2

Run it again after a change of prefect.yaml: deployments and automation are made again, the pool stays.
"""

import argparse
import os
import subprocess
import sys
from datetime import timedelta

from prefect.automations import Automation
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.exceptions import ObjectAlreadyExists
from prefect.workers.process import ProcessWorker

from actupose.errors import UserError
from actupose.signals import unwind_on_signals
from pipelines.stage_runs.slots import SLOTS, slots_on_server, visible_gpus
from tracking import prepare_store

POOL = "local"
ZOMBIES = "actupose: crash flow runs without a heartbeat"
_HEARTBEAT = "prefect.flow-run.heartbeat"
_SILENCE = timedelta(seconds=540)  # three heartbeats of 180 s, Prefect's default


def bootstrap(slots: int | None = None) -> None:
    """Bring store and server up to date.

    Args:
        slots: how many stages compute at once; None keeps the server's number, or takes one a GPU.

    Raises:
        UserError: no server is named, or a deployment is refused.
    """
    if slots is not None and slots < 1:
        raise UserError(f"--slots {slots}: at least one stage has to compute at a time")
    if not os.environ.get("PREFECT_API_URL"):
        raise UserError("PREFECT_API_URL is not set: which server? (actupose up starts one)")
    prepare_store()
    _make_pool()
    _make_slots(slots)
    _make_automation()
    _deploy()


def _make_pool() -> None:
    template = ProcessWorker.get_default_base_job_template()
    pool = WorkPoolCreate(name=POOL, type=ProcessWorker.type, base_job_template=template)
    with get_client(sync_client=True) as client:
        try:
            client.create_work_pool(pool)
        except ObjectAlreadyExists:
            return


def _make_slots(slots: int | None) -> None:
    wanted = slots or slots_on_server() or max(1, len(visible_gpus()))
    with get_client(sync_client=True) as client:
        client.upsert_global_concurrency_limit_by_name(SLOTS, wanted)


def _make_automation() -> None:
    with get_client(sync_client=True) as client:
        for old in client.read_automations_by_name(ZOMBIES):
            client.delete_automation(old.id)
    zombie_automation(_SILENCE).create()


def zombie_automation(silence: timedelta) -> Automation:
    """Crash a flow run not heard of for ``silence``: its process, worker or machine was killed."""
    ends = {f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Cancelled", "Crashed")}
    trigger = EventTrigger(
        after={_HEARTBEAT},
        expect={_HEARTBEAT, *ends},
        match={"prefect.resource.id": ["prefect.flow-run.*"]},
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        threshold=1,
        within=silence,
    )
    message = f"no heartbeat for {silence.total_seconds():.0f} s: the process is gone"
    crash = ChangeFlowRunState(state=StateType.CRASHED, message=message)
    return Automation(name=ZOMBIES, trigger=trigger, actions=[crash])


def _deploy() -> None:
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"prefect.yaml: {' '.join((done.stdout + done.stderr).split()[-60:])}")


def main() -> int:
    """Read the command line, prepare, and say what is there."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.bootstrap", description=__doc__)
    parser.add_argument("--slots", type=int, help="stages that compute at once (default: one for each GPU)")
    arguments = parser.parse_args()
    unwind_on_signals(once=False)
    try:
        bootstrap(arguments.slots)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(
        f"{os.environ['PREFECT_API_URL']}: pool {POOL}, slots {SLOTS}, automation and deployments are there"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
