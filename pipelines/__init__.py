"""When and where stages run: Prefect flows around ``dvc repro``.

The tools' settings for this project are made here, because this is imported before Prefect reads its own.
What the user's environment says stands. Prefect's home is the project's ``.state``, so that nothing is
written elsewhere; to use a Prefect server, set ``PREFECT_API_URL``.
"""

import os
from pathlib import Path

from actupose.layout import PARAMS, STATE

_DEFAULTS = {
    "DO_NOT_TRACK": "1",
    "DVC_NO_ANALYTICS": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_HOME": str(STATE.resolve() / "prefect"),
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
}

for _name, _value in _DEFAULTS.items():
    os.environ.setdefault(_name, _value)
if PARAMS.exists():  # Prefect makes its home, but not the folder that holds it
    Path(os.environ["PREFECT_HOME"]).mkdir(parents=True, exist_ok=True)
