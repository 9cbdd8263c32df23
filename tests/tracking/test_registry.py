import ast
import base64
import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from mlflow_server import free_port, running_server
from stored_models import (
    NAME,
    client,
    enter_project,
    evaluated,
    figures,
    migrated_store,
    registered,
    small_params,
)

from actupose.errors import UserError
from actupose.inference.predictor import Predictor
from actupose.skeleton import BODY16
from tracking import fetch_model, versions
from tracking.model import INFERENCE_PACKAGES

SOURCE = Path(__file__).parents[2] / "src"
PARAMS = small_params()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project in which a run of udape and the oracle have been evaluated, and udape again."""
    folder = tmp_path_factory.mktemp("registry") / "project"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        enter_project(folder, migrated_store(folder.parent), patch)
        patch.setenv("ACTUPOSE_FLOW_RUN_ID", "flow-7")
        Path("dvc.lock").write_text("schema: '2.0'\n")
        evaluated(PARAMS, "udape", 0, figures(0.5, 0.25))
        evaluated(PARAMS, "oracle", 1, figures(0.9, 0.8))
        evaluated(PARAMS, "udape", 0, figures(0.5625, 0.3125, "other labels"))
        yield folder


@pytest.fixture
def two_images() -> list[np.ndarray]:
    """RGB pictures of different sizes."""
    random = np.random.default_rng(0)
    return [random.integers(0, 256, size, np.uint8) for size in ((64, 64, 3), (120, 80, 3))]


def encode(image: np.ndarray) -> bytes:
    return cv2.imencode(".png", image[..., ::-1])[1].tobytes()


def test_a_model_is_registered_once_and_measured_anew(project: Path) -> None:
    first, second = registered()
    assert (first.tags["method"], second.tags["method"]) == ("udape", "oracle")
    assert [(v.number, v.pck, v.hardest, v.measured_on) for v in versions(NAME)] == [
        (1, 0.5625, 0.3125, "other labels"),
        (2, 0.9, 0.8, "these labels"),
    ]
    metrics = client().get_run(first.run_id).data.metrics
    assert (metrics["promotion/pck_0.05"], metrics["promotion/pck_0.05_hardest_third"]) == (0.5625, 0.3125)


def test_a_version_tells_where_it_comes_from(project: Path) -> None:
    tags = registered()[0].tags
    wanted = {"method": "udape", "seed": "0", "supervision": "source", "prefect.flow_run": "flow-7"}
    assert wanted.items() <= tags.items()
    assert tags["actupose.run_key"].startswith("udape-0-")
    assert {"params_hash", "dvc.lock", "skeleton", "source", "target", "actupose.weights"} <= set(tags)


def test_the_oracle_is_marked_as_no_candidate(project: Path) -> None:
    assert [version.uses_target_labels for version in versions(NAME)] == [False, True]


def test_seeds_are_one_group_and_settings_another(project: Path) -> None:
    from tracking import describe_run

    slower = PARAMS.model_copy(update={"schedule": PARAMS.schedule.model_copy(update={"epochs": 40})})
    group = describe_run(PARAMS, "udape", 0).tags["actupose.group"]
    assert describe_run(PARAMS, "udape", 1).tags["actupose.group"] == group
    assert describe_run(slower, "udape", 0).tags["actupose.group"] != group


def test_a_model_is_fetched_by_version_alias_and_run_as_it_was_trained(project: Path) -> None:
    client().set_registered_model_alias(NAME, "champion", "1")
    trained = project / "runs/udape-0"
    by_alias = fetch_model(f"models:/{NAME}@champion")
    for name in ("model.safetensors", "model.json"):
        assert (by_alias / name).read_bytes() == (trained / name).read_bytes()
    assert fetch_model(f"models:/{NAME}/1") == by_alias
    assert fetch_model(f"runs:/{registered()[0].run_id}") == by_alias
    assert fetch_model(f"models:/{NAME}/2") != by_alias


def test_a_fetched_model_needs_its_artifacts_no_more(project: Path) -> None:
    folder = fetch_model(f"models:/{NAME}/1")
    (project / ".state/mlartifacts").rename(project / ".state/gone")
    try:
        assert fetch_model(f"models:/{NAME}/1") == folder
    finally:
        (project / ".state/gone").rename(project / ".state/mlartifacts")


@pytest.mark.parametrize(
    ("address", "line"),
    [
        (f"models:/{NAME}@nobody", f"models:/{NAME}@nobody: no such registered model"),
        ("models:/unknown@champion", "models:/unknown@champion: no such registered model"),
        (f"models:/{NAME}/9", f"models:/{NAME}/9: no such registered model"),
        ("runs:/0123", "runs:/0123: no such registered model"),
        ("champion", "champion: write models:/name@alias, models:/name/3 or runs:/<id>"),
        ("models:/", "models:/: write models:/name@alias, models:/name/3 or runs:/<id>"),
    ],
)
def test_an_address_of_no_model_is_one_line(project: Path, address: str, line: str) -> None:
    with pytest.raises(UserError) as error:
        fetch_model(address)
    assert str(error.value) == line


def test_a_model_of_others_is_not_fetched(project: Path) -> None:
    client().create_registered_model("theirs")
    client().create_model_version("theirs", str(project / "runs/udape-0"))
    with pytest.raises(UserError, match=r"^models:/theirs/1: not a model that this project's evaluate stage"):
        fetch_model("models:/theirs/1")


def test_damaged_weights_are_not_taken(project: Path) -> None:
    version = registered()[1]
    place = client().get_model_version_download_uri(NAME, version.version).removeprefix("file://")
    weights = Path(place) / "artifacts/model.safetensors"
    whole = weights.read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tracking.registry._MODELS", Path(".state/elsewhere"))
        weights.write_bytes(whole[:-1] + b"x")
        with pytest.raises(UserError, match="its weights are not those that were registered"):
            fetch_model(f"models:/{NAME}/2")
        weights.write_bytes(whole)
        assert fetch_model(f"models:/{NAME}/2").is_dir()


def test_a_store_that_does_not_answer_is_one_line(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with pytest.raises(UserError, match=f"^models:/x@champion: MLflow at {address}: "):
        fetch_model("models:/x@champion")


def test_mlflow_away_fails_no_evaluation(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    evaluated(PARAMS, "actupose", 3, figures(0.5, 0.25))
    assert "warning: MLflow at" in capsys.readouterr().err


def test_the_logged_model_is_files_and_code_without_a_pickle(project: Path) -> None:
    place = Path(client().get_model_version_download_uri(NAME, "1").removeprefix("file://"))
    names = {path.name for path in place.rglob("*") if path.is_file()}
    assert {"MLmodel", "model.safetensors", "model.json", "served.py", "input_example.json"} <= names
    assert not {name for name in names if name.endswith((".pkl", ".pickle", ".pyc", ".pt", ".pt2"))}
    assert (place / "code/actupose/inference/predictor.py").is_file()


def imported_names(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(str(node.module))
    return names


def test_the_requirements_are_what_inference_imports() -> None:
    waiting, seen, others = {"actupose.inference.decode", "actupose.inference.predictor"}, set(), {"pandas"}
    while waiting:
        name = waiting.pop()
        seen.add(name)
        place = SOURCE / name.replace(".", "/")
        found = imported_names(place / "__init__.py" if place.is_dir() else place.with_suffix(".py"))
        ours = {name for name in found if name.split(".")[0] == "actupose"}
        others |= {name.split(".")[0] for name in found - ours} - sys.stdlib_module_names
        waiting |= ours - seen
    on_the_index = {"cv2": "opencv-python", "PIL": "pillow", "yaml": "pyyaml"}
    brought_by_transformers = {"huggingface_hub"}
    assert {on_the_index.get(name, name) for name in others} - brought_by_transformers == set(
        INFERENCE_PACKAGES
    )


@pytest.fixture(scope="module")
def served(project: Path) -> Iterator[str]:
    """``mlflow models serve`` of the champion in a process of its own; its address."""
    client().set_registered_model_alias(NAME, "champion", "1")
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", f"models:/{NAME}@champion"]
    command += ["--env-manager", "local", "--port", str(port), "--workers", "1"]
    changes = {"MLFLOW_TRACKING_URI": f"sqlite:///{project / '.state/mlflow.db'}"}
    changes["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | changes
    address = f"http://127.0.0.1:{port}"
    with running_server(command, environment, project / "served.log", address):
        yield f"{address}/invocations"


def ask(address: str, images: list[bytes]) -> tuple[int, dict]:
    rows = [{"image": base64.b64encode(image).decode()} for image in images]
    body = json.dumps({"dataframe_records": rows}).encode()
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_the_served_champion_answers_with_keypoints_by_name(
    project: Path, served: str, two_images: list[np.ndarray]
) -> None:
    expected = Predictor.load(project / "runs/udape-0", "cpu").predict(two_images)
    status, answer = ask(served, [encode(image) for image in two_images])
    assert status == 200
    assert len(answer["predictions"]) == 2
    for person, keypoints, confidence in zip(answer["predictions"], *expected, strict=True):
        assert list(person) == list(BODY16.keypoints)
        points = pd.DataFrame(person).T
        np.testing.assert_allclose(points[["x", "y"]].to_numpy(float), keypoints, atol=1e-2)
        np.testing.assert_allclose(points["confidence"].to_numpy(float), confidence, atol=1e-4)


def test_what_is_no_image_is_status_400_with_its_row(served: str, two_images: list[np.ndarray]) -> None:
    status, answer = ask(served, [encode(two_images[0]), b"hello"])
    assert status == 400
    assert answer["error_code"] == "INVALID_PARAMETER_VALUE"
    assert "row 1: image: not a readable image" in answer["message"]
    assert ask(served, [encode(two_images[0])])[0] == 200, "the server goes on"
