"""What keeps an exported file from being kept; a real export is among the tests of the command."""

import numpy as np
import pytest
import torch
from peaked_model import peaked_model
from tiny_domains import SIDE

from actupose.errors import UserError
from actupose.inference import export
from actupose.inference.export import MismatchError, compare, export_model
from actupose.nets.pose_model import PoseModel


@pytest.fixture(scope="module")
def model() -> PoseModel:
    return peaked_model()


def test_nothing_is_kept_that_differs_from_torch(model, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "_write", lambda _, __, path: path.write_bytes(b"another model"))
    monkeypatch.setattr(export, "_session", lambda _: moved_by(0.02))
    with pytest.raises(MismatchError) as caught:
        export_model(model, tmp_path / "model.onnx")
    assert not caught.value.differences[0].is_small
    assert list(tmp_path.iterdir()) == []


def moved_by(pixels: float):
    """The same model, whose last keypoint of the last image is moved."""
    served = export._Outputs(peaked_model())

    def run(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with torch.no_grad():
            keypoints, confidence = (part.numpy().copy() for part in served(torch.from_numpy(images)))
        keypoints[-1, -1, 1] += pixels
        return keypoints, confidence

    return run


def test_the_largest_difference_counts(model):
    images = {"noise": np.random.default_rng(0).random((5, 3, SIDE, SIDE), dtype=np.float32)}
    for pixels, is_small in [(0.005, True), (0.02, False), (float("nan"), False)]:
        one, five = compare(export._Outputs(model), moved_by(pixels), images)
        for found in (one, five):
            assert found.keypoints == pytest.approx(pixels, abs=1e-4, nan_ok=True)
        assert one.confidence == 0 and one.is_small == is_small


def test_without_the_packages_it_says_which_extra_to_install(model, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "_NEEDED", ("onnx", "no_such_package"))
    with pytest.raises(UserError, match=r'no no_such_package here: pip install -e "\.\[export\]"'):
        export_model(model, tmp_path / "model.onnx")
