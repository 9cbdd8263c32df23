"""Weights and models that are damaged, or are others than the settings say."""

import json
import os
import pickle

import pytest
import torch
from safetensors.torch import load_file, save_file
from spoilt import as_folder, assert_says, cut_short, holding, line_of, with_value, without
from tiny_domains import tiny_params

from actupose.nets.backbones import Backbone
from actupose.nets.pose_model import ModelInfo, load_model, save_model
from actupose.nets.pose_resnet import build_network
from actupose.nets.weights import read_weights

NETWORK = tiny_params().network
WEIGHTS, PICKLED = "weights.safetensors", "weights.pth"


class Touches:
    """Pickles as a call that makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mknod, (str(self.path),)


def pickled(content):
    return lambda root: torch.save(content, root / PICKLED)


def with_code(root):
    torch.save({"conv1.weight": Touches(root / "touched")}, root / PICKLED)


def with_code_as_of_old(root):
    """A plain pickle, as torch wrote before version 1.6."""
    (root / PICKLED).write_bytes(pickle.dumps(Touches(root / "touched")))


def told(name, fault):
    return f"network.pretrained = '{{root}}/{name}': {fault}"


BAD_WEIGHTS = {
    "safetensors cut short": (
        WEIGHTS,
        cut_short(WEIGHTS, 0.9),
        told(WEIGHTS, "cannot be read (SafetensorError)"),
    ),
    "safetensors of no bytes": (
        WEIGHTS,
        holding(WEIGHTS, b""),
        told(WEIGHTS, "cannot be read (SafetensorError)"),
    ),
    "safetensors of a huge header": (
        WEIGHTS,
        holding(WEIGHTS, b"\xff" * 7 + b"\x7f{}"),
        told(WEIGHTS, "cannot be read (SafetensorError)"),
    ),
    "a folder": (WEIGHTS, as_folder(WEIGHTS), told(WEIGHTS, "cannot be read (...)")),
    "not there": (WEIGHTS, without(WEIGHTS), told(WEIGHTS, "no such file, and not on the hub: ...")),
    "a torch file cut short": (
        PICKLED,
        cut_short(PICKLED, 0.5),
        told(PICKLED, "cannot be read (RuntimeError)"),
    ),
    "a torch file of no bytes": (PICKLED, holding(PICKLED, b""), told(PICKLED, "cannot be read (EOFError)")),
    "code in a torch file": (PICKLED, with_code, told(PICKLED, "cannot be read (UnpicklingError)")),
    "code in an old torch file": (
        PICKLED,
        with_code_as_of_old,
        told(PICKLED, "cannot be read (UnpicklingError)"),
    ),
    "a list": (PICKLED, pickled([torch.zeros(1)]), told(PICKLED, "holds no weights by name")),
}


@pytest.mark.parametrize(("name", "spoil", "says"), BAD_WEIGHTS.values(), ids=BAD_WEIGHTS)
def test_bad_weights_are_one_line_and_nothing_is_run(name, spoil, says, tmp_path, capsys):
    save_file({"conv1.weight": torch.zeros(8, 3, 7, 7)}, tmp_path / WEIGHTS)
    torch.save({"conv1.weight": torch.zeros(8, 3, 7, 7)}, tmp_path / PICKLED)
    spoil(tmp_path)
    line = line_of(lambda: read_weights(str(tmp_path / name), "network.pretrained"), capsys)
    assert_says(line, says.format(root=tmp_path))
    assert not (tmp_path / "touched").exists()


def torchvision_names(state):
    """Names of torchvision for the first convolution and its normalisation."""
    stem = "embedder.embedder."
    found = {"conv1.weight": state[f"{stem}convolution.weight"]}
    return found | {f"bn1.{part}": state[f"{stem}normalization.{part}"] for part in ("weight", "bias")}


@pytest.mark.parametrize(
    ("change", "unfit"),
    [
        (lambda state: state, 97),
        (lambda state: state | {"conv1.weight": state["conv1.weight"][:1]}, 98),
        (lambda state: {}, 100),
    ],
    ids=["the stem alone", "the stem of another shape", "nothing"],
)
def test_weights_that_do_not_fit_are_counted(change, unfit, tmp_path, capsys):
    settings = NETWORK.model_copy(update={"stages": 4, "pretrained": str(tmp_path / WEIGHTS)})
    plain = Backbone(settings.model_copy(update={"pretrained": None})).net.state_dict()
    save_file(change(torchvision_names(plain)), tmp_path / WEIGHTS)
    line = line_of(lambda: Backbone(settings), capsys)
    says = (
        "not a ResNet of network.depth and network.width: ... of 100 weights are missing or of another shape"
    )
    assert_says(line, f"network.pretrained = '{tmp_path / WEIGHTS}': {says}")
    assert f": {unfit} of 100" in line


# Models.

INFO = ModelInfo(skeleton="body16", image_size=32, network=NETWORK, heatmap=tiny_params().heatmap)
MODEL, JSON = "model.safetensors", "model.json"
OF_ANOTHER = "{root}: not a usable model: its weights are not of its model.json"


def unusable(fault):
    return "{root}: not a usable model: " + fault


def tensors(change):
    """The weights, changed."""
    return lambda root: save_file(change(load_file(root / MODEL)), root / MODEL)


HEAD = "head.0.weight"


BAD_MODELS = {
    "no weights": (without(MODEL), "{root}/model.safetensors: no such file; run the train stage (dvc repro)"),
    "no description": (without(JSON), "{root}/model.json: no such file; run the train stage (dvc repro)"),
    "weights cut short": (cut_short(MODEL, 0.9), unusable("Error while deserializing: ...")),
    "no bytes of weights": (holding(MODEL, b""), unusable("Error while deserializing: ...")),
    "weights that are a folder": (
        as_folder(MODEL),
        unusable("[Errno 21] Is a directory: '{root}/model.safetensors'"),
    ),
    "a weight missing": (
        tensors(lambda state: {name: state[name] for name in state if name != HEAD}),
        OF_ANOTHER,
    ),
    "a weight too many": (tensors(lambda state: state | {"more": torch.zeros(1)}), OF_ANOTHER),
    "a weight of another shape": (tensors(lambda state: state | {HEAD: state[HEAD][:1]}), OF_ANOTHER),
    "a description cut short": (cut_short(JSON, 0.3), unusable("model.json: Invalid JSON: ...")),
    "a description that is not text": (
        holding(JSON, b"\xff\xfe\0"),
        unusable("'utf-8' codec can't decode ..."),
    ),
    "a description of another network": (with_value(JSON, ["network", "depth"], 34), OF_ANOTHER),
    "a description of another skeleton": (with_value(JSON, ["skeleton"], "hand21"), OF_ANOTHER),
    "an unknown key": (with_value(JSON, ["colour"], 1), unusable("model.json: colour: unknown key")),
    "an unknown skeleton": (
        with_value(JSON, ["skeleton"], "body99"),
        unusable("model.json: skeleton = 'body99': Input should be 'body16' or 'hand21'"),
    ),
    "a missing key": (without(JSON, ["heatmap"]), unusable("model.json: heatmap: key is missing")),
    "a depth that is none": (
        with_value(JSON, ["network", "depth"], 19),
        unusable("model.json: network.depth = 19: Input should be 0, 1, 2, 18, 34, 50 or 101"),
    ),
    "NaN": (
        with_value(JSON, ["heatmap", "sigma"], float("nan")),
        unusable("model.json: heatmap.sigma = nan: Input should be a finite number"),
    ),
}


@pytest.mark.parametrize(("spoil", "says"), BAD_MODELS.values(), ids=BAD_MODELS)
def test_a_bad_model_is_one_line(spoil, says, tmp_path, capsys):
    save_model(tmp_path, build_network(16, NETWORK, 0), INFO)
    spoil(tmp_path)
    assert_says(line_of(lambda: load_model(tmp_path), capsys), says.format(root=tmp_path))


def test_the_model_that_is_spoilt_is_a_good_one(tmp_path):
    save_model(tmp_path, build_network(16, NETWORK, 0), INFO)
    assert load_model(tmp_path).info == INFO
    assert set(json.loads((tmp_path / JSON).read_text())) == set(ModelInfo.model_fields)
