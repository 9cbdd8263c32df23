"""A trained model and its data sets in MLflow's terms."""

import contextlib
import io
import json
import os
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from PIL import Image

import actupose
from actupose.layout import INGESTED
from actupose.skeleton import SKELETONS
from tracking.store import tracking_uri

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput
    from mlflow.models import ModelSignature

    from actupose.nets.pose_model import ModelInfo

MODEL_FILES = ("model.safetensors", "model.json")

# What actupose.inference imports, and pandas, in which MLflow hands images over.
INFERENCE_PACKAGES = (
    *("jaxtyping", "numpy", "opencv-python", "pandas", "pillow", "pydantic", "pyyaml"),
    *("safetensors", "torch", "transformers"),
)


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


def log_pyfunc(run_id: str, folder: Path) -> str:
    """Log the model in ``folder`` as files and code, without a pickle; returns MLflow's id of it."""
    import mlflow
    import pandas as pd

    from actupose.nets.pose_model import ModelInfo

    info = ModelInfo.model_validate_json((folder / "model.json").read_text())
    with _fluent_mlflow(run_id):
        logged = mlflow.pyfunc.log_model(
            name="model",
            python_model=str(Path(__file__).with_name("served.py")),
            artifacts={name: str(folder / name) for name in MODEL_FILES},
            code_paths=[str(Path(actupose.__file__).parent)],
            signature=_signature(info),
            input_example=pd.DataFrame({"image": [_blank_image(info.image_size)]}),
            pip_requirements=[f"{name}=={_released(name)}" for name in INFERENCE_PACKAGES],
        )
    return str(logged.model_id)


def _signature(info: "ModelInfo") -> "ModelSignature":
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema, TensorSpec
    from mlflow.types.schema import Object, Property

    keypoint = Object([Property(name, DataType.double) for name in ("x", "y", "confidence")])
    names = SKELETONS[info.skeleton].keypoints
    outputs: list[ColSpec | TensorSpec] = [ColSpec(keypoint, name) for name in names]
    return ModelSignature(Schema([ColSpec(DataType.binary, "image")]), Schema(outputs))


def _blank_image(side: int) -> bytes:
    """No picture of the user's: a model is handed to others."""
    file = io.BytesIO()
    Image.new("RGB", (side, side)).save(file, "PNG")
    return file.getvalue()


def _released(package: str) -> str:
    """Version of a package as an index has it, without the mark of a local build."""
    return version(package).partition("+")[0]


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
