"""One MLflow run for each (method, seed), mirrored from a local journal."""

import json
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from actupose.files import atomic_path
from actupose.layout import STATE
from actupose.signals import is_signal
from tracking.description import RUN_KEY, TRAINING_ID, TrackedRun
from tracking.journal import Journal
from tracking.machine import PREFIX, MachineSampler
from tracking.model import dataset_inputs
from tracking.process import process_tags
from tracking.registry import promotion_metrics, register
from tracking.store import (
    Status,
    connect,
    create_run,
    exists,
    experiment_id,
    failures,
    latest_run,
    log_lines,
    log_params,
    set_status,
    set_tags,
    tracking_uri,
    uninterrupted,
    warning,
    without_password,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient

LINKS = STATE / "mlflow_runs"
_PAUSE_FACTOR = 20  # a server that never answers may cost a twentieth of the time, and no more


@dataclass
class _Link:
    """What a folder knows of its MLflow run: ``mlflow_run.json``."""

    training_id: str = field(default_factory=lambda: uuid.uuid4().hex)  # known before MLflow's own id is
    uri: str = ""
    run_id: str = ""
    sent: int = 0  # lines of the journal
    status: Status = "RUNNING"
    status_sent: str = ""


class RunMirror:
    """One MLflow run, fed from the journal in ``folder``. Never raises because of the server."""

    def __init__(self, folder: Path, run: TrackedRun, *, trains: bool) -> None:
        self.folder = folder
        self.run = run
        self._trains = trains
        self._journal = Journal(folder / "metrics.jsonl")
        self._link = _Link(**_read_json(folder / "mlflow_run.json"))
        self._client: MlflowClient | None = None
        self._next_try = 0.0
        self._warned = False
        self._sampler: MachineSampler | None = None

    @classmethod
    def open(cls, folder: Path, run: TrackedRun) -> Self:
        """For training: continues the run that ``folder`` (its checkpoints') remembers, else begins one."""
        mirror = cls(folder, run, trains=True)
        mirror._link.status, mirror._link.status_sent = "RUNNING", ""  # others may have closed it meanwhile
        _write_json(LINKS / f"{run.name}.json", {"key": run.key, "folder": str(folder.resolve())})
        return mirror

    @classmethod
    def reopen(cls, run: TrackedRun) -> Self:
        """For evaluation: the run that trained this model, found through its folder or its tag."""
        link = _read_json(LINKS / f"{run.name}.json")
        known = link.get("key") == run.key and Path(link["folder"]).is_dir()
        return cls(Path(link["folder"]) if known else LINKS / run.key, run, trains=False)

    @property
    def run_id(self) -> str | None:
        """MLflow's id; None while no server has been reached."""
        return self._link.run_id or None

    def __enter__(self) -> Self:
        try:
            self._mirror()
        except BaseException as error:  # a signal: MLflow may have begun the run already
            self.__exit__(type(error), error, None)
            raise
        if self._trains and self.run.system_metrics:
            self._sampler = MachineSampler()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.finish("FINISHED")
        else:
            self.finish("KILLED" if is_signal(error) else "FAILED")

    def log_epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Metrics of one epoch; those the journal already holds for it are not logged again."""
        fresh = {key: value for key, value in metrics.items() if (key, epoch) not in self._journal.values}
        self._journal.append(epoch, fresh)
        self._note_machine()
        self._mirror()

    def log_epochs(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """History rows (epoch, metric, value): fills a run that did not see its training."""
        epochs: dict[int, dict[str, float]] = {}
        for row in rows:
            epochs.setdefault(row["epoch"], {})[row["metric"]] = row["value"]
        for epoch, metrics in sorted(epochs.items()):
            self._append_changed(epoch, metrics)
        self._mirror()

    def log_series(self, series: Mapping[str, Mapping[int, float]]) -> None:
        """Metric -> step -> value, such as ``bins/pck_0.05`` with the bin as step: one line chart each."""
        for step in sorted({step for values in series.values() for step in values}):
            at_step = {key: values[step] for key, values in series.items() if step in values}
            self._append_changed(step, at_step)
        self._mirror()

    def log_scalars(self, metrics: Mapping[str, float]) -> None:
        """Single values for the run table; never a key that is also logged by epoch or bin."""
        self.log_series({key: {0: value} for key, value in metrics.items()})

    def _append_changed(self, step: int, metrics: Mapping[str, float]) -> None:
        """Append what differs from the record: a second evaluation repeats nothing."""
        known = self._journal.values
        self._journal.append(step, {k: v for k, v in metrics.items() if known.get((k, step)) != v})

    def log_files(self, folder: str, paths: Iterable[Path]) -> None:
        """Files as artifacts in ``folder`` of the run."""

        def send(client: "MlflowClient", run_id: str) -> None:
            for path in paths:
                client.log_artifact(run_id, str(path), folder)

        self._attempt(send)

    def log_datasets(self) -> None:
        """Log both ingested tables as data sets whose digest is DVC's hash."""
        self._attempt(lambda client, run: client.log_inputs(run, datasets=dataset_inputs()))

    def log_model(self, folder: Path, promotion: Mapping[str, Any]) -> None:
        """Register the model in ``folder``, once; ``promotion`` holds its figures on the promotion split."""
        self.log_scalars(promotion_metrics(promotion))
        self._attempt(lambda client, run_id: register(client, run_id, self.run, folder, promotion))
        self._link.status_sent = ""  # MLflow sets the run going for this, and calls it failed if this fails

    def finish(self, status: Status) -> None:
        """Set the final status; sent later if the server is away."""
        if self._sampler:
            self._sampler.stop()
        try:
            self._note_machine()
        except OSError as error:  # the disk is full; the status goes out all the same
            self._warn(error)
        self._link.status = status
        self._save()
        self._next_try = 0.0
        self._mirror()

    def _note_machine(self) -> None:
        """Move samples of the machine to the journal: its steps count on in a resumed run."""
        known = [step for key, step in self._journal.values if key.startswith(PREFIX)]
        samples = self._sampler.take() if self._sampler else []
        for step, sample in enumerate(samples, max(known, default=-1) + 1):
            self._journal.append(step, sample.metrics, sample.time)

    def _attempt(self, send: Callable[["MlflowClient", str], object]) -> None:
        """Send what is no metric, if the server is there: the stage's own files remain the record of it."""
        if not self._mirror():
            return
        assert self._client is not None
        try:
            with uninterrupted():
                send(self._client, self._link.run_id)
        except failures() as error:
            self._warn(error)

    def _mirror(self) -> bool:
        """Bring MLflow up to date with the journal; False if it is away.

        After a failure it is left alone, the longer the longer the failure took.
        """
        if time.monotonic() < self._next_try:
            return False
        failed = failures()  # imports MLflow: seconds that are not the server's
        start = time.monotonic()
        try:
            with uninterrupted():
                if self._client is None:
                    client = connect()
                    self._attach(client)
                    self._client = client
                self._send(self._client)
        except failed as error:
            self._warn(error)
            now = time.monotonic()
            self._next_try = now + _PAUSE_FACTOR * (now - start)
            return False
        return True

    def _attach(self, client: "MlflowClient") -> None:
        """Find the run or create it; a run of another or an emptied store is forgotten and sent again."""
        uri = without_password(tracking_uri())
        experiment = experiment_id(client, self.run.experiment)
        if self._link.uri != uri or not exists(client, self._link.run_id):
            self._link = _Link(self._link.training_id, uri, status=self._link.status)
            self._save()  # if the answer to what follows is lost, the run is found by its training_id
            self._link.run_id = self._find(client, experiment) or self._create(client, experiment)
            log_params(client, self._link.run_id, self.run.params)
        set_tags(client, self._link.run_id, self.run.tags if self._trains else process_tags())
        self._save()

    def _find(self, client: "MlflowClient", experiment: str) -> str:
        """A training finds only a run of its own, an evaluation the newest that trained with its settings."""
        tag = (TRAINING_ID, self._link.training_id) if self._trains else (RUN_KEY, self.run.key)
        return latest_run(client, experiment, *tag)

    def _create(self, client: "MlflowClient", experiment: str) -> str:
        tags = {**self.run.tags, TRAINING_ID: self._link.training_id}
        if not self._trains:
            tags["actupose.training"] = "cached: DVC had the model, so this run did not see its training"
        return create_run(client, experiment, self.run.name, tags)

    def _send(self, client: "MlflowClient") -> None:
        link, lines = self._link, self._journal.lines
        if link.sent < len(lines):
            log_lines(client, link.run_id, lines[link.sent :])
            link.sent = len(lines)
            self._save()
        if link.status != link.status_sent:
            set_status(client, link.run_id, link.status)
            link.status_sent = link.status
            self._save()

    def _save(self) -> None:
        """Note what MLflow has; without the note (the disk is full) it is sent once more, to no harm."""
        try:
            _write_json(self.folder / "mlflow_run.json", asdict(self._link))
        except OSError as error:
            self._warn(error)

    def _warn(self, error: BaseException) -> None:
        if self._warned:
            return
        self._warned = True
        print(f"{warning(error)}; metrics wait in {self._journal.path}", file=sys.stderr)


def _read_json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text())) if path.exists() else {}


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content))
