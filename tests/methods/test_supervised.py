import pytest
import torch
from tiny_domains import tiny_params
from torch import nn

from actupose.methods.pose_task import PoseTask, flip_permutation
from actupose.methods.supervised import LabelledBatch, labelled_forward, labelled_view, supervised_terms
from actupose.nets.pose_resnet import PoseOutput
from actupose.skeleton import BODY16

STILL = {"rotation": 0, "shear": 0, "translate": 0, "scale": [1, 1], "flip": 0, "color": 0, "blur": 0}
LEFT, RIGHT, HEAD = (BODY16.index(name) for name in ("left_wrist", "right_wrist", "head_top"))


class Flat(nn.Module):
    """Sees nothing anywhere."""

    def forward(self, images: torch.Tensor) -> PoseOutput:
        return PoseOutput(torch.zeros(len(images), 16, 16, 16), images.mean(dim=(2, 3)), images)


def look(**changes):
    """The student's side of two pictures on which the left wrist (8, 20) and the head (16, 2) are visible."""
    params = tiny_params(augment__student=STILL | changes, augment__crop_area=[1.0, 1.0])
    task = PoseTask(BODY16, 32, params.heatmap, flip_permutation(BODY16))
    keypoints = torch.full((2, 16, 2), torch.nan)
    keypoints[:, LEFT], keypoints[:, HEAD] = torch.tensor([8.0, 20.0]), torch.tensor([16.0, 2.0])
    batch = LabelledBatch(torch.zeros(2, 3, 32, 32).byte(), keypoints, keypoints.isfinite().all(dim=2))
    return task, labelled_forward(Flat(), labelled_view(task, params.augment, batch, seed=0, step=0))


def test_labels_of_an_unmoved_picture_stay():
    _, side = look()
    assert side.keep.nonzero().tolist() == [[0, HEAD], [0, LEFT], [1, HEAD], [1, LEFT]]
    assert side.keypoints[0, LEFT].tolist() == [8, 20]


def test_in_a_mirrored_picture_the_left_wrist_is_a_right_one():
    _, side = look(flip=1)
    assert side.keep.nonzero().tolist() == [[0, HEAD], [0, RIGHT], [1, HEAD], [1, RIGHT]]
    assert side.keypoints[0, RIGHT].tolist() == [31 - 8, 20]
    assert side.keypoints[0, HEAD].tolist() == [31 - 16, 2]


def test_what_leaves_the_picture_counts_no_longer():
    _, side = look(scale=[1.3, 1.3])  # the head goes to 15.5 + 1.3 (2 - 15.5) = -2.05
    assert side.keep.nonzero().tolist() == [[0, LEFT], [1, LEFT]]
    torch.testing.assert_close(side.keypoints[0, HEAD, 1], torch.tensor(-2.05))


def test_losses_are_over_what_is_kept_and_finite_beside_labels_that_are_none():
    task, side = look()
    terms = supervised_terms(task, side, evalpose=True)
    assert set(terms) == {"source", "evalpose_source"}
    # KL of a Gaussian of sigma 1.5 cells to the uniform over 16 x 16: log 256 - (1 + log(2 pi 1.5^2)),
    # less what the border cuts off the head's.
    assert float(terms["source"]) == pytest.approx(5.545 - 3.649, abs=0.3)
    assert float(terms["evalpose_source"]) == 0  # no bone has both ends
    assert set(supervised_terms(task, side, evalpose=False)) == {"source"}


def test_each_step_and_each_seed_sees_other_views():
    params = tiny_params()
    task = PoseTask(BODY16, 32, params.heatmap, flip_permutation(BODY16))
    images, labels = torch.zeros(2, 3, 32, 32).byte(), torch.full((2, 16, 2), 9.0)
    batch = LabelledBatch(images, labels, torch.ones(2, 16, dtype=torch.bool))
    uses = ((0, 0), (0, 0), (0, 1), (1, 0))
    first, again, later, other = (
        labelled_view(task, params.augment, batch, seed, step).keypoints for seed, step in uses
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, later) and not torch.equal(first, other)
