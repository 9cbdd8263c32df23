import signal

import pytest

from tracking.signals import signals_held


class StopError(Exception):
    pass


@pytest.fixture
def _raising():
    def stop(_number, _frame):
        raise StopError

    before = signal.signal(signal.SIGTERM, stop)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("_raising")
def test_a_signal_waits_for_the_end_of_a_local_databases_work(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    done = []
    with pytest.raises(StopError), signals_held():
        signal.raise_signal(signal.SIGTERM)
        done.append("the rest of the block")
    assert done


@pytest.mark.usefixtures("_raising")
def test_nobody_waits_for_a_server(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    done = []
    with pytest.raises(StopError), signals_held():
        signal.raise_signal(signal.SIGTERM)
        done.append("never")
    assert not done
