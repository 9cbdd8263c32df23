"""What a stage tells the program that started it, apart from the prose it prints for people.

``ACTUPOSE_EVENTS`` names a file, to which events are appended: a JSON object a line. Without it nothing is
written. Every event has ``event``, its kind, and ``stage``, DVC's name of the stage; the kinds are:

    {"event": "started", "stage": "train@udape-0"}
    {"event": "progress", "stage": "train@udape-0", "done": 3, "total": 20, "unit": "epoch"}
    {"event": "mistake", "stage": "train@udape-0", "message": "one line: what the user can correct"}

How a stage ended is its exit status: 0, 2 after a mistake, 128 + signal, or another after a failure.
"""

import json
import os
from contextlib import suppress
from pathlib import Path

EVENTS = "ACTUPOSE_EVENTS"


def emit(event: str, **details: object) -> None:
    """Append an event; one that cannot be written (the disk is full) stops no stage."""
    path = os.environ.get(EVENTS)
    if not path:
        return
    line = json.dumps({"event": event, "stage": os.environ.get("DVC_STAGE"), **details})
    with suppress(OSError), Path(path).open("a") as file:
        file.write(f"{line}\n")
