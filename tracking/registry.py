"""The registry: a version for each trained model, its figures, its aliases, and the way back to its files."""

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actupose.errors import UserError
from actupose.files import sha256_of
from actupose.layout import STATE
from tracking.description import GROUP, RUN_KEY, TrackedRun
from tracking.model import MODEL_FILES, log_pyfunc
from tracking.store import connect, raise_failures_as, tracking_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

CANDIDATE, CHAMPION = "candidate", "champion"
WEIGHTS = "actupose.weights"  # SHA-256 of model.safetensors
_MEASURED_ON, _SPLIT = "promotion.measured_on", "promotion.split"
_PCK, _HARDEST = "promotion/pck_0.05", "promotion/pck_0.05_hardest_third"
_ORIGIN = (
    *(RUN_KEY, GROUP, "method", "seed", "supervision", "params_hash", "skeleton", "source", "target"),
    *("dvc.lock", "dvc.experiment", "mlflow.source.git.commit", "prefect.flow_run"),
)
_MODELS = STATE / "models"


@dataclass(frozen=True)
class Version:
    """A trained model in the registry.

    Attributes:
        number: of the version.
        group: method and settings, without the seed.
        uses_target_labels: the oracle's; such a model is no candidate.
        measured_on: equal for models whose figures can be compared; empty without figures.
        split: of the target, that the figures are of.
        pck, hardest: PCK@0.05 as fractions over that split and over its hardest third; None if unknown.
    """

    number: int
    method: str
    seed: int
    group: str
    uses_target_labels: bool
    measured_on: str
    split: str
    pck: float | None
    hardest: float | None


def model_name(experiment: str) -> str:
    """Name of an experiment's registered model."""
    return f"actupose-{experiment}"


def promotion_metrics(figures: Mapping[str, Any]) -> dict[str, float]:
    """What ``metrics.json`` has under ``promotion``, under MLflow's names; unknown figures are left out."""
    known = {_PCK: figures.get("pck", {}).get("all"), _HARDEST: figures.get("pck_all_hardest_third")}
    return {key: value for key, value in known.items() if value is not None}


def register(
    client: "MlflowClient", run_id: str, run: TrackedRun, folder: Path, figures: Mapping[str, Any]
) -> None:
    """Make a version of the model in ``folder``, unless there is one, and note its figures for promotion.

    The same weights of the same settings are one version: settings may differ in how heat maps are read.
    """
    name, weights = model_name(run.experiment), sha256_of(folder / "model.safetensors")
    _ensure_registered(client, name)
    found = client.search_model_versions(
        f"name = '{name}' and tags.`{WEIGHTS}` = '{weights}' and tags.`{RUN_KEY}` = '{run.key}'"
    )
    measured = {_SPLIT: figures.get("split"), _MEASURED_ON: figures.get("measured_on")}
    measured |= {key: repr(value) for key, value in promotion_metrics(figures).items()}
    tags = {key: value for key, value in measured.items() if value}
    if found:
        _replace_tags(client, found[0], tags)
        return
    tags |= {key: run.tags[key] for key in _ORIGIN if key in run.tags} | {WEIGHTS: weights}
    logged = client.get_logged_model(log_pyfunc(run_id, folder))
    client.create_model_version(
        name, logged.artifact_location, run_id, tags, await_creation_for=0, model_id=logged.model_id
    )


def _ensure_registered(client: "MlflowClient", name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _replace_tags(client: "MlflowClient", found: "ModelVersion", tags: Mapping[str, str]) -> None:
    for key in (_SPLIT, _MEASURED_ON, _PCK, _HARDEST):
        if key in tags:
            client.set_model_version_tag(found.name, found.version, key, tags[key])
        elif key in found.tags:
            client.delete_model_version_tag(found.name, found.version, key)


def versions(name: str) -> list[Version]:
    """All models of this project under a name, oldest first.

    Raises:
        UserError: nothing is registered under it, or the store does not answer.
    """
    with raise_failures_as(UserError):
        every = connect().search_model_versions(f"name = '{name}'")
    found = [version for version in every if WEIGHTS in version.tags]
    if not found:
        advice = "evaluate registers models (again with dvc repro --force evaluate)"
        raise UserError(f"{name}: no registered model of this name; {advice}")
    return sorted((_version(version) for version in found), key=lambda version: version.number)


def _version(found: "ModelVersion") -> Version:
    tags = found.tags
    return Version(
        number=int(found.version),
        method=tags["method"],
        seed=int(tags["seed"]),
        group=tags[GROUP],
        uses_target_labels=tags["supervision"] == "target",
        measured_on=tags.get(_MEASURED_ON, ""),
        split=tags.get(_SPLIT, ""),
        pck=float(tags[_PCK]) if _PCK in tags else None,
        hardest=float(tags[_HARDEST]) if _HARDEST in tags else None,
    )


def aliases(name: str) -> dict[str, int]:
    """Version number by alias.

    Raises:
        UserError: the store does not answer.
    """
    with raise_failures_as(UserError):
        return {key: int(value) for key, value in connect().get_registered_model(name).aliases.items()}


def annotate(name: str, number: int, description: str, tags: Mapping[str, str], rule: str) -> None:
    """Write a decision to a version, and the rule it came from to the registered model.

    Raises:
        UserError: the store does not answer.
    """
    with raise_failures_as(UserError):
        client = connect()
        client.update_registered_model(name, rule)
        client.update_model_version(name, str(number), description)
        for key, value in tags.items():
            client.set_model_version_tag(name, str(number), key, value)


def set_aliases(name: str, number: int, names: Iterable[str]) -> None:
    """Move aliases to a version.

    Raises:
        UserError: the store does not answer.
    """
    with raise_failures_as(UserError):
        client = connect()
        for alias in names:
            client.set_registered_model_alias(name, alias, str(number))


def fetch_model(address: str) -> Path:
    """Folder with ``model.safetensors`` and ``model.json`` of a registered model, downloaded once.

    Args:
        address: ``models:/name@alias``, ``models:/name/3``, ``runs:/<id>`` (the model this run has trained).

    Raises:
        UserError: no such model, one that is not of this project, or the store does not answer.
    """
    with raise_failures_as(UserError, f"{address}: "):
        client = connect()
        found = _find(client, address)
        if found is None:
            raise UserError(f"{address}: no such registered model")
        if WEIGHTS not in found.tags:
            raise UserError(f"{address}: not a model that this project's evaluate stage has registered")
        folder = _MODELS / found.tags[WEIGHTS][:16] / found.tags[RUN_KEY]
        if not folder.is_dir():
            _download(client, found, folder)
    return folder


def _find(client: "MlflowClient", address: str) -> "ModelVersion | None":
    from mlflow.exceptions import MlflowException

    scheme, _, place = address.partition(":/")
    try:
        if scheme == "runs" and place:
            found = client.search_model_versions(f"run_id = '{place}'")
            return max(found, key=lambda version: int(version.version), default=None)
        name, at, alias = place.rpartition("@")
        if scheme == "models" and at:
            return client.get_model_version_by_alias(name, alias)
        name, slash, number = place.rpartition("/")
        if scheme == "models" and slash and number.isdecimal():
            return client.get_model_version(name, number)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise
    raise UserError(f"{address}: write models:/name@alias, models:/name/3 or runs:/<id>")


def _download(client: "MlflowClient", found: "ModelVersion", folder: Path) -> None:
    """All files or none: what is there is whole and not fetched again."""
    from mlflow.artifacts import download_artifacts

    place = client.get_model_version_download_uri(found.name, found.version)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        whole = Path(temporary) / "whole"
        for name in MODEL_FILES:
            download_artifacts(f"{place}/artifacts/{name}", dst_path=str(whole), tracking_uri=tracking_uri())
        if sha256_of(whole / "model.safetensors") != found.tags[WEIGHTS]:
            raise UserError(f"{place}: its weights are not those that were registered")
        try:
            whole.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was faster
                raise
