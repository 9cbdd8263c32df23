"""What the machine does while a model trains: MLflow's system metrics, without a call to its server.

MLflow's own monitor asks the server at every sample, and ends for good when it is away once.
"""

import os
import time
from queue import SimpleQueue
from threading import Event, Thread
from typing import TYPE_CHECKING, NamedTuple

import psutil

if TYPE_CHECKING:
    from mlflow.system_metrics.metrics.base_metrics_monitor import BaseMetricsMonitor

PREFIX = "system/"
_INTERVAL_SECONDS = 10.0


class Sample(NamedTuple):
    """CPU, memory and GPU at one time, in milliseconds since 1970."""

    time: int
    metrics: dict[str, float]


class MachineSampler:
    """Samples in a thread until stopped, every MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL seconds (10)."""

    def __init__(self) -> None:
        self._samples: SimpleQueue[Sample] = SimpleQueue()
        self._stopped = Event()
        self._interval = float(os.environ.get("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL") or _INTERVAL_SECONDS)
        Thread(target=self._sample_on, daemon=True).start()

    def take(self) -> list[Sample]:
        """What has come in since the last call."""
        return [self._samples.get() for _ in range(self._samples.qsize())]

    def stop(self) -> None:
        """End the thread at its next turn; nobody waits for it."""
        self._stopped.set()

    def _sample_on(self) -> None:
        monitors = _monitors()
        psutil.cpu_percent()  # the load since the last call: the first one means nothing
        while not self._stopped.wait(self._interval):
            metrics: dict[str, float] = {}
            for monitor in monitors:
                monitor.collect_metrics()
                metrics |= monitor.aggregate_metrics()
                monitor.clear_metrics()
            named = {PREFIX + key: float(value) for key, value in metrics.items()}
            self._samples.put(Sample(int(time.time() * 1000), named))


def _monitors() -> list["BaseMetricsMonitor"]:
    """CPU and memory, and the GPUs where nvidia-ml-py finds some."""
    from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
    from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor

    try:
        return [CPUMonitor(), GPUMonitor()]
    except (ImportError, RuntimeError):
        return [CPUMonitor()]
