"""Projects with a real MLflow store and trained-looking models in it."""

from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from actupose.nets.pose_model import ModelInfo, save_model
from actupose.nets.pose_resnet import build_network
from actupose.params import Params, load_params
from tracking import RunMirror, describe_run

ROOT = Path(__file__).parents[2]
NAME = "actupose-figures"


def small_params() -> Params:
    params = load_params(ROOT / "params.yaml")
    return params.model_copy(update={"network": params.network.model_copy(update={"width": 0.125})})


def migrated_store(folder: Path) -> bytes:
    """An empty database, made once because that takes seconds."""
    path = folder / "mlflow.db"
    MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments()
    return path.read_bytes()


def enter_project(folder: Path, store: bytes, patch: pytest.MonkeyPatch) -> None:
    """Work in an empty project that has this store."""
    patch.chdir(folder)
    patch.delenv("MLFLOW_TRACKING_URI", raising=False)
    Path(".state").mkdir()
    Path(".state/mlflow.db").write_bytes(store)


def client() -> MlflowClient:
    return MlflowClient(tracking_uri=f"sqlite:///{Path('.state/mlflow.db').resolve()}")


def model_folder(params: Params, name: str, weights: int) -> Path:
    """A model whose weights are those of a seed."""
    info = ModelInfo(skeleton="body16", image_size=64, network=params.network, heatmap=params.heatmap)
    folder = Path("runs") / name
    save_model(folder, build_network(16, params.network, weights), info)
    return folder


def figures(pck: float, hardest: float, measured_on: str = "these labels") -> dict[str, Any]:
    """The part ``promotion`` of a metrics.json."""
    part = {"split": "val", "count": 100, "measured_on": measured_on}
    return part | {"pck": {"all": pck}, "pck_all_hardest_third": hardest}


def evaluated(
    params: Params, method: str, seed: int, promotion: dict[str, Any], weights: int | None = None
) -> None:
    """Tell MLflow what the evaluate stage tells it of a model."""
    folder = model_folder(params, f"{method}-{seed}", seed if weights is None else weights)
    with RunMirror.reopen(describe_run(params, method, seed)) as mirror:
        mirror.log_model(folder, promotion)


def registered() -> list[ModelVersion]:
    found = client().search_model_versions(f"name = '{NAME}'")
    return sorted(found, key=lambda version: int(version.version))
