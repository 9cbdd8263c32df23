"""What a model says of a whole split."""

import torch
from tiny_domains import tiny_params

from actupose.data.dataset import Domain
from actupose.nets.pose_model import ModelInfo, PoseModel
from actupose.nets.pose_resnet import build_network
from actupose.skeleton import BODY16
from actupose.training.prediction import predict_all

PARAMS = tiny_params()


def model() -> PoseModel:
    info = ModelInfo(skeleton="body16", image_size=32, network=PARAMS.network, heatmap=PARAMS.heatmap)
    return PoseModel(build_network(16, PARAMS.network, 0), info)


def predict(project, network: PoseModel, batch_size: int = 5):
    images = Domain(project.ingested / "target", BODY16, labels=False).images("test")
    return predict_all(network, images, torch.device("cpu"), 0, batch_size)


def test_every_part_of_the_model_keeps_its_mode(project):
    network = model()
    parts = list(network.modules())
    for index, part in enumerate(parts):
        part.training = index % 3 > 0
    predict(project, network)
    assert [part.training for part in parts] == [index % 3 > 0 for index in range(len(parts))]


def test_a_model_in_training_predicts_as_one_that_is_not_and_learns_nothing(project):
    network = model().eval()
    wanted = predict(project, network, batch_size=12)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    found = predict(project, network.train(), batch_size=12)
    assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
