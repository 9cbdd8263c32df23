"""Every test runs apart from the user's own trackers, with one thread, and tells nobody."""

import os
import signal
from collections.abc import Iterator

import jaxtyping
import pytest
from checked_shapes import check_shapes
from hypothesis import settings

settings.register_profile("same every time", derandomize=True, deadline=None, database=None)
settings.load_profile("same every time")
check_shapes()  # before anything imports the library
pytest.register_assert_rewrite("corpus_files", "spoilt")  # their asserts tell what differs

LONGEST = (
    "test_pipeline",
    "test_up_deployments",
    "test_sweep",
    "test_kills",
    "test_tracking_outage",
    "test_run",
    "test_trainer_ranks",
    "test_hand_pipeline",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files: at the end no worker shall wait for another."""
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))


@pytest.fixture(autouse=True)
def _signals_stay() -> Iterator[None]:
    """Stages handle signals in their own way; one that ran within this process shall not keep Ctrl-C."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def unchecked_types(monkeypatch: pytest.MonkeyPatch) -> None:
    """For values that the library itself shall refuse, and for torch.compile, which traces checks too."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


QUIET = {
    "DO_NOT_TRACK": "1",
    "DVC_NO_ANALYTICS": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "OMP_NUM_THREADS": "1",  # two workers on two cores would fight over them
    "OMP_WAIT_POLICY": "PASSIVE",
}
os.environ.update(QUIET)
for name in (
    "MLFLOW_TRACKING_URI",
    "MLFLOW_RUN_ID",
    "MLFLOW_EXPERIMENT_NAME",
    "PREFECT_API_URL",
    "PREFECT_HOME",
):
    os.environ.pop(name, None)
