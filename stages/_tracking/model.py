"""Models and data sets in MLflow's terms."""

import contextlib
import copy
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from stages._paths import INGESTED
from stages._tracking.store import tracking_uri

if TYPE_CHECKING:
    import numpy as np
    from mlflow.entities import DatasetInput
    from torch import nn


def dataset_inputs() -> list["DatasetInput"]:
    """Describe the ingested tables and what each is used for."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    inputs = []
    for domain, use in [("source", "training"), ("target", "adaptation and evaluation")]:
        table = str(INGESTED / domain / "samples.parquet")
        dataset = Dataset(domain, _dvc_hash(table), "local", json.dumps({"uri": table}))
        inputs.append(DatasetInput(dataset, [InputTag("mlflow.data.context", use)]))
    return inputs


def _dvc_hash(path: str) -> str:
    """Look an output's hash up in dvc.lock; another stage may be writing that file right now."""
    try:
        stages = (yaml.safe_load(Path("dvc.lock").read_text()) or {})["stages"]
    except (FileNotFoundError, KeyError, yaml.YAMLError):
        return "not-in-dvc"
    outs = [out for stage in stages.values() for out in stage.get("outs", [])]
    return next((str(out["md5"]) for out in outs if out["path"] == path), "not-in-dvc")


def log_pt2(run_id: str, model: "nn.Module", images: "np.ndarray", files: list[str]) -> None:
    """Log a network whose output is (B, K, 3): x, y in pixels and confidence."""
    import mlflow
    import torch
    from mlflow.models import infer_signature

    class Keypoints(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = copy.deepcopy(model).cpu()

        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            prediction = self.model(batch)
            return torch.cat([prediction.keypoints, prediction.confidence[..., None]], dim=-1)

    served = Keypoints().eval()
    with torch.no_grad():
        answer = served(torch.from_numpy(images)).numpy()
    with _fluent_mlflow(run_id):
        mlflow.pytorch.log_model(
            served,
            name="model",
            serialization_format="pt2",
            signature=infer_signature(images, answer),
            input_example=images,
            extra_files=files,
            pip_requirements=[f"torch=={torch.__version__.split('+')[0]}"],
        )


@contextlib.contextmanager
def _fluent_mlflow(run_id: str) -> Iterator[None]:
    """MLflow's global functions set up for one run; they leak the address into the environment otherwise."""
    import mlflow

    before = os.environ.get("MLFLOW_TRACKING_URI")
    mlflow.set_tracking_uri(tracking_uri())
    try:
        with mlflow.start_run(run_id=run_id):
            yield
    finally:
        mlflow.set_tracking_uri("")
        if before is None:
            os.environ.pop("MLFLOW_TRACKING_URI", None)
        else:
            os.environ["MLFLOW_TRACKING_URI"] = before
