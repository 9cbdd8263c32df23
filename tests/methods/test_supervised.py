import pytest
import torch
from tiny_domains import SIDE
from tiny_methods import build, labelled_batch, tiny_run
from torch import nn

from actupose.data.views import LabelledBatch
from actupose.methods.supervised import weighted_sum
from actupose.nets.pose_resnet import PoseOutput
from actupose.skeleton import BODY16

STILL = {"rotation": 0, "shear": 0, "translate": 0, "scale": [1, 1], "flip": 0, "color": 0, "blur": 0}
LEFT, HEAD = (BODY16.index(name) for name in ("left_wrist", "head_top"))


class Flat(nn.Module):
    """Sees nothing anywhere."""

    def forward(self, images: torch.Tensor) -> PoseOutput:
        return PoseOutput(torch.zeros(len(images), 16, 16, 16), images.mean(dim=(2, 3)), images)


def look():
    """The student's side of two pictures on which the left wrist (8, 20) and the head (16, 2) are visible."""
    run = tiny_run("source_only", augment__student=STILL, augment__crop_area=[1.0, 1.0])
    student = build(run).student
    student.network = Flat()
    keypoints = torch.full((2, 16, 2), torch.nan)
    keypoints[:, LEFT], keypoints[:, HEAD] = torch.tensor([8.0, 20.0]), torch.tensor([16.0, 2.0])
    images = torch.zeros(2, 3, SIDE, SIDE).byte()
    batch = LabelledBatch(images, keypoints, keypoints.isfinite().all(dim=2))
    return student, student.labelled_view(0, batch)


def test_losses_are_over_what_is_visible_and_finite_beside_labels_that_are_none():
    student, labels = look()
    output = student.predict(labels.images)
    losses = student.losses(output, labels, {"source": 1.0, "evalpose_source": 0.1})
    assert set(losses) == {"source", "evalpose_source"}
    # KL of a Gaussian of sigma 1.5 cells to the uniform over 16 x 16: log 256 - (1 + log(2 pi 1.5^2)),
    # less what the border cuts off the head's.
    assert float(losses["source"]) == pytest.approx(5.545 - 3.649, abs=0.3)
    assert float(losses["evalpose_source"]) == 0  # no bone has both ends
    assert set(student.losses(output, labels, {"source": 1.0, "evalpose_source": 0.0})) == {"source"}


def test_each_step_and_each_seed_sees_other_views():
    images, labels = torch.zeros(2, 3, SIDE, SIDE).byte(), torch.full((2, 16, 2), 9.0)
    batch = LabelledBatch(images, labels, torch.ones(2, 16, dtype=torch.bool))
    students = [build(tiny_run("source_only", seed)).student for seed in (0, 1)]
    uses = ((0, 0), (0, 0), (0, 1), (1, 0))
    first, again, later, other = (
        students[seed].labelled_view(step, batch).keypoints_view for seed, step in uses
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, later) and not torch.equal(first, other)


def test_every_term_counts_by_its_weight_and_one_without_is_an_error():
    losses = {"source": torch.tensor(2.0), "evalpose_source": torch.tensor(-0.5)}
    weights = {"source": 1.0, "evalpose_source": 0.1, "consistency": 3.0}
    assert float(weighted_sum(losses, weights)) == pytest.approx(1.95)
    with pytest.raises(KeyError, match="evalpose_source"):
        weighted_sum(losses, {"source": 1.0})


def test_source_only_can_learn_from_evalpose_too():
    method = build(tiny_run("source_only", supervised__evalpose_weight=0.5))
    assert set(method.step(0, labelled_batch(), None).losses) == {"source", "evalpose_source"}
    assert not method.wants_target(10_000)
