"""The local record of a run's metrics, which MLflow mirrors."""

import json
import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Journal:
    """Append-only lines of metrics; knows the last value of each (metric, step)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[dict[str, Any]] = []
        self.values: dict[tuple[str, int], float] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        content = path.read_bytes() if path.exists() else b""
        whole = content[: content.rfind(b"\n") + 1]
        if whole != content:  # killed in the middle of a line
            os.truncate(path, len(whole))
        for line in whole.splitlines():
            self._remember(json.loads(line))

    def append(self, step: int, metrics: Mapping[str, float], time_ms: int | None = None) -> None:
        """Add one line (of now, if no time is given), on disk when this returns; only what is finite."""
        finite = {key: float(value) for key, value in metrics.items() if math.isfinite(value)}
        if not finite:
            return
        line = {"time": time_ms or int(time.time() * 1000), "step": step, "metrics": finite}
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._remember(line)

    def _remember(self, line: dict[str, Any]) -> None:
        self.lines.append(line)
        self.values.update({(key, line["step"]): value for key, value in line["metrics"].items()})
