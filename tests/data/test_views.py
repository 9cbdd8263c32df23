"""Labels follow their picture into the view that a network is shown."""

import torch
from tiny_domains import SIDE, tiny_params

from actupose.core.rng import generator
from actupose.data.views import LabelledBatch, draw_student_view, labelled_view
from actupose.nets.pose_task import flip_permutation
from actupose.skeleton import BODY16

STILL = {"rotation": 0, "shear": 0, "translate": 0, "scale": [1, 1], "flip": 0, "color": 0, "blur": 0}
LEFT, RIGHT, HEAD = (BODY16.index(name) for name in ("left_wrist", "right_wrist", "head_top"))


def look(**changes):
    """Two pictures on which the left wrist (8, 20) and the head (16, 2) are visible, in a view."""
    augment = tiny_params(augment__student=STILL | changes, augment__crop_area=[1.0, 1.0]).augment
    keypoints = torch.full((2, 16, 2), torch.nan)
    keypoints[:, LEFT], keypoints[:, HEAD] = torch.tensor([8.0, 20.0]), torch.tensor([16.0, 2.0])
    images = torch.zeros(2, 3, SIDE, SIDE).byte()
    batch = LabelledBatch(images, keypoints, keypoints.isfinite().all(dim=2))
    view = draw_student_view(augment, images, generator(0, "labelled view", 0))
    return labelled_view(augment, batch, view, flip_permutation(BODY16))


def test_labels_of_an_unmoved_picture_stay():
    labels = look()
    assert labels.visible.nonzero().tolist() == [[0, HEAD], [0, LEFT], [1, HEAD], [1, LEFT]]
    assert labels.keypoints_view[0, LEFT].tolist() == [8, 20]


def test_in_a_mirrored_picture_the_left_wrist_is_a_right_one():
    labels = look(flip=1)
    assert labels.visible.nonzero().tolist() == [[0, HEAD], [0, RIGHT], [1, HEAD], [1, RIGHT]]
    assert labels.keypoints_view[0, RIGHT].tolist() == [31 - 8, 20]
    assert labels.keypoints_view[0, HEAD].tolist() == [31 - 16, 2]


def test_what_leaves_the_picture_counts_no_longer():
    labels = look(scale=[1.3, 1.3])  # the head goes to 15.5 + 1.3 (2 - 15.5) = -2.05
    assert labels.visible.nonzero().tolist() == [[0, LEFT], [1, LEFT]]
    torch.testing.assert_close(labels.keypoints_view[0, HEAD, 1], torch.tensor(-2.05))
