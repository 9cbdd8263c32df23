import json

import pytest
import torch
from tiny_domains import tiny_params

from actupose.core.heatmap import render_gaussians
from actupose.errors import UserError
from actupose.nets.pose_model import (
    ModelInfo,
    PoseModel,
    is_sure,
    load_model,
    mean_peaks,
    predict_batch,
    predictions_from_output,
    save_model,
)
from actupose.nets.pose_resnet import build_network
from actupose.params import HeatmapParams

NETWORK = tiny_params().network


def info(**changes) -> ModelInfo:
    heatmap = HeatmapParams(sigma=1.5, loss="mse", decode="dark")
    return ModelInfo(skeleton="body16", image_size=32, network=NETWORK, heatmap=heatmap, **changes)


@pytest.fixture
def saved(tmp_path):
    network = build_network(16, NETWORK, 0)
    network.train()
    network(torch.rand(4, 3, 32, 32))  # running statistics that are not those of the beginning
    save_model(tmp_path, network, info())
    return tmp_path, network


def test_a_loaded_model_predicts_as_the_saved_one(saved):
    folder, network = saved
    images = torch.rand(3, 3, 32, 32)
    model = load_model(folder)
    assert not model.training
    with torch.no_grad():
        before, after = PoseModel(network.eval(), info())(images), model(images)
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert model.info == info()


def test_the_same_model_saved_twice_is_the_same_bytes(saved, tmp_path):
    folder, network = saved
    save_model(tmp_path / "again", network, info())
    for name in ("model.safetensors", "model.json"):
        assert (folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_a_model_in_channels_last_is_saved_alike(saved, tmp_path):
    folder, network = saved
    save_model(tmp_path / "last", network.to(memory_format=torch.channels_last), info())
    assert (folder / "model.safetensors").read_bytes() == (
        tmp_path / "last" / "model.safetensors"
    ).read_bytes()


@pytest.mark.parametrize("name", ["model.json", "model.safetensors"])
def test_a_missing_file_names_itself_and_its_stage(saved, name):
    folder, _ = saved
    (folder / name).unlink()
    with pytest.raises(UserError, match=rf"{name}: no such file; run the train stage"):
        load_model(folder)


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("model.json", lambda content: content[:40]),
        ("model.json", lambda content: b"\xff\xfe\x00"),
        ("model.json", lambda content: content.replace(b"body16", b"body99")),
        ("model.json", lambda content: content.replace(b'"depth": 18', b'"depth": 34')),
        ("model.json", lambda content: content.replace(b'"deconv_channels": 8', b'"deconv_channels": 16')),
        ("model.safetensors", lambda content: content[:-10]),
        ("model.safetensors", lambda content: b""),
    ],
)
def test_a_damaged_model_is_a_users_mistake_in_one_line(saved, name, spoil):
    folder, _ = saved
    content = (folder / name).read_bytes()
    assert spoil(content) != content
    (folder / name).write_bytes(spoil(content))
    with pytest.raises(UserError, match="not a usable model") as caught:
        load_model(folder)
    assert "\n" not in str(caught.value)


def test_model_json_holds_all_that_is_needed_to_use_the_weights(saved):
    described = json.loads((saved[0] / "model.json").read_text())
    assert set(described) == {"skeleton", "image_size", "network", "heatmap", "cell"}
    assert described["network"] == NETWORK.model_dump()


@pytest.mark.parametrize(
    ("fidelity", "cell", "decode"), [("corrected", "centre", "dark"), ("reference", "corner", "argmax")]
)
def test_a_model_of_the_version_before_is_read_as_it_was(saved, fidelity, cell, decode):
    folder, network = saved
    name_fidelity(folder, fidelity)
    model = load_model(folder)
    heatmap = info().heatmap.model_copy(update={"decode": decode})
    assert model.info == info(cell=cell).model_copy(update={"heatmap": heatmap})
    images = torch.rand(3, 3, 32, 32)
    with torch.no_grad():
        found, raw = model(images), network.eval()(images).heatmaps
    expected = predictions_from_output(raw, 32, heatmap, cell)
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
    if fidelity == "reference":  # the highest cell times the stride, as that version had it
        side = raw.shape[-1]
        cells = torch.stack((found.cell % side, found.cell // side), -1)
        positive = found.cell >= 0
        assert positive.any()
        assert torch.equal(found.keypoints[positive], (cells * (32 / side))[positive])


def name_fidelity(folder, fidelity, **changes):
    """Make model.json one of the version before."""
    path = folder / "model.json"
    described = json.loads(path.read_text())
    del described["cell"]
    described["heatmap"]["decode"] = "dark"
    path.write_text(json.dumps(described | {"fidelity": fidelity} | changes))


@pytest.mark.parametrize(
    ("fidelity", "changes"),
    [("reference", {"heatmap": 3}), ("reference", {"heatmap": None}), ("corrected", {"heatmap": 3})]
    + [(unknown, {}) for unknown in ("exact", None, 3)],
)
def test_a_damaged_model_of_the_version_before_is_a_users_mistake_too(saved, fidelity, changes):
    name_fidelity(saved[0], fidelity, **changes)
    with pytest.raises(UserError, match=r"not a usable model: model\.json: ") as caught:
        load_model(saved[0])
    assert "\n" not in str(caught.value)


def test_a_model_of_the_version_before_without_its_heat_maps_names_them(saved):
    name_fidelity(saved[0], "reference")
    path = saved[0] / "model.json"
    described = json.loads(path.read_text())
    del described["heatmap"]
    path.write_text(json.dumps(described))
    with pytest.raises(UserError, match=r"not a usable model: model\.json: heatmap: key is missing"):
        load_model(saved[0])


def test_cells_of_the_public_code_are_corners():
    raw = torch.zeros(1, 1, 16, 16)
    raw[0, 0, 5, 3] = 1
    heatmap = info().heatmap.model_copy(update={"decode": "argmax"})
    assert predictions_from_output(raw, 64, heatmap, "corner").keypoints.tolist() == [[[12, 20]]]


def test_cells_become_pixels_with_aligned_centres():
    # 16 cells on 64 px: the centre of cell 5 is (5 + 0.5) * 4 - 0.5 = 21.5 px.
    cells = torch.tensor([[[5.0, 9.0], [7.25, 3.5]]])
    raw = 0.8 * render_gaussians(cells, (16, 16), 1.5)
    prediction = predictions_from_output(raw, 64, info().heatmap)
    torch.testing.assert_close(
        prediction.keypoints, torch.tensor([[[21.5, 37.5], [30.5, 15.5]]]), atol=1e-3, rtol=0
    )
    assert float(prediction.confidence[0, 0]) == pytest.approx(0.8)
    assert prediction.cell[0, 0] == 9 * 16 + 5


def test_logits_of_a_drawn_gaussian_are_as_confident_as_the_gaussian():
    raw = render_gaussians(torch.tensor([[[8.0, 8.0]]]), (16, 16), 1.5).clamp(min=1e-30).log()
    kl = info().heatmap.model_copy(update={"loss": "kl"})
    prediction = predictions_from_output(raw, 64, kl)
    assert float(prediction.confidence) == pytest.approx(1, abs=1e-3)
    torch.testing.assert_close(prediction.keypoints, torch.full((1, 1, 2), 33.5), atol=1e-3, rtol=0)


def test_peaks_are_clamped_before_their_mean_is_taken():
    peaks = torch.tensor([[0.01, 0.5, 3.0], [-1.0, 0.0, 0.05]])
    assert mean_peaks(peaks).tolist() == pytest.approx([(0.05 + 0.5 + 1) / 3, 0.05])


def test_a_model_is_sure_where_the_mean_peak_reaches_the_median():
    peaks = torch.tensor([[0.2, 0.4], [0.9, 0.1], [0.1, 0.1], [0.8, 0.8]])
    # means 0.3, 0.5, 0.1, 0.8; of an even number the lower of the middle two, 0.3
    assert is_sure(peaks).tolist() == [True, True, False, True]


def test_predicting_scales_bytes_to_one_and_asks_for_no_gradient():
    model = PoseModel(build_network(16, NETWORK, 0), info()).train()
    images = torch.randint(0, 256, (2, 3, 32, 32)).byte()
    prediction = predict_batch(model, images)
    assert not model.training
    assert not prediction.keypoints.requires_grad
    with torch.no_grad():
        assert torch.equal(prediction.keypoints, model(images / 255).keypoints)
