"""``actupose export`` as a person calls it; its file is run by ONNX Runtime."""

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from peaked_model import peaked_model
from tiny_domains import SIDE

from actupose.inference import export
from actupose.nets.pose_model import load_model, save_model
from actupose.skeleton import BODY16
from pipelines.cli import main


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "runs/udape-0"
    model = peaked_model()
    save_model(folder, model.network, model.info)
    return folder


@pytest.fixture(scope="module")
def exported(run: Path) -> tuple[Path, str]:
    """The file, and what the command said."""
    path = run / "onnx/model.onnx"
    with contextlib.redirect_stdout(io.StringIO()) as told:
        assert main(["export", "--model", str(run), "--output", str(path)]) == 0
    return path, told.getvalue()


def test_differences_are_printed_for_noise_and_pictures_in_two_batch_sizes(exported):
    path, told = exported
    first, *lines, last = told.splitlines()
    assert first.endswith("differences between ONNX Runtime and torch (tolerated: 0.01 px, 0.001)")
    assert [line.partition(":")[0].strip() for line in lines] == [
        f"{kind}, batch of {size}" for kind in ("noise", "rendered pictures") for size in (1, 5)
    ]
    assert last.startswith(f"{path}: ") and last.endswith(" MB")


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_the_file_takes_batches_of_any_size(exported, run, batch_size):
    session = onnxruntime.InferenceSession(exported[0])
    images = np.random.default_rng(batch_size).random((batch_size, 3, SIDE, SIDE), dtype=np.float32)
    keypoints, confidence = session.run(["keypoints", "confidence"], {"images": images})
    assert keypoints.shape == (batch_size, 16, 2) and confidence.shape == (batch_size, 16)
    with torch.no_grad():
        expected = load_model(run)(torch.from_numpy(images))
    np.testing.assert_allclose(keypoints, expected.keypoints.numpy(), atol=1e-2)
    np.testing.assert_allclose(confidence, expected.confidence.numpy(), atol=1e-3)


def test_the_files_metadata_says_how_to_use_it(exported):
    session = onnxruntime.InferenceSession(exported[0])
    told = session.get_modelmeta().custom_metadata_map
    assert told["skeleton"] == "body16" and told["image_size"] == str(SIDE)
    assert json.loads(told["keypoints"]) == list(BODY16.keypoints)
    assert json.loads(told["bones"])[0] == [0, 1]
    assert json.loads(told["preprocessing"])["range"] == [0, 1]
    assert session.get_inputs()[0].shape[1:] == [3, SIDE, SIDE]


def test_a_model_that_differs_is_status_1_and_leaves_no_file(run, tmp_path, monkeypatch, capsys):
    def moved(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with torch.no_grad():
            prediction = load_model(run)(torch.from_numpy(images))
        return prediction.keypoints.numpy() + 1, prediction.confidence.numpy()

    monkeypatch.setattr(export, "_write", lambda *arguments: arguments[-1].write_bytes(b"another model"))
    monkeypatch.setattr(export, "_session", lambda _: moved)
    assert main(["export", "--model", str(run), "--output", str(tmp_path / "model.onnx")]) == 1
    told = capsys.readouterr()
    assert "noise, batch of 1: keypoints 1.0e+00 px, confidence 0.0e+00" in told.out
    assert told.err.startswith("error: the exported model differs from torch by more than is tolerated")
    assert list(tmp_path.iterdir()) == []
