"""PoseDA: what the domain classifiers look at, what counts, and who learns what from their errors."""

import math

import pytest
import torch
from tiny_domains import SIDE, random_images
from tiny_methods import build as build_run
from tiny_methods import labelled_batch, tiny_run

from actupose.methods.poseda import PoseDA, features_under
from actupose.nets.domain_classifiers import build_classifiers
from actupose.skeleton import BODY16

FIRST_STEP, LAST_STEP = 3, 8  # of adaptation: three epochs of three steps, one before it


def build(**changes) -> PoseDA:
    return build_run(tiny_run("poseda", **changes))


def take_step(method, step):
    return method.step(step, labelled_batch(), random_images(4, SIDE, seed=1))


def student_weights(method):
    return torch.cat([weight.detach().flatten() for weight in method.student.network.parameters()])


def test_the_feature_under_a_keypoint_is_the_mean_under_its_heat_map():
    upsampled = torch.arange(8.0).reshape(1, 2, 2, 2)  # channel 0: 0 1 2 3, channel 1: 4 5 6 7
    heatmaps = torch.tensor([[[[3.0, 1.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.5]], [[0.0, 0.0], [0.0, 0.0]]]])
    found = features_under(upsampled, heatmaps)
    assert found[0].tolist() == [[0.25, 4.25], [3.0, 7.0], [0.0, 0.0]]


def test_a_keypoint_has_its_own_output_and_a_bone_sees_both_its_ends():
    classifiers = build_classifiers(5, 3, BODY16, 4, seed=0)
    features, keypoints = torch.zeros(2, 5), torch.zeros(2, 16, 3)
    before = classifiers(features, keypoints)
    assert [tuple(level.shape) for level in before] == [(2,), (2, 16), (2, len(BODY16.bones))]
    elbow = BODY16.index("left_elbow")
    keypoints[1, elbow] = 10
    after = classifiers(features, keypoints)
    assert (after.keypoint != before.keypoint).nonzero().tolist() == [[1, elbow]]
    touched = [[1, i] for i, bone in enumerate(BODY16.bones) if elbow in bone]
    assert (after.bone != before.bone).nonzero().tolist() == touched
    assert torch.equal(after.image, before.image)


def test_classifiers_that_know_nothing_err_by_log_two():
    terms = take_step(build(), FIRST_STEP).losses
    for level in ("image", "keypoint", "bone"):
        assert terms[f"domain_{level}"].item() == pytest.approx(math.log(2), abs=0.15)


def test_at_the_ramps_foot_the_student_does_not_hear_them_and_they_learn():
    deaf, heard = build(poseda__weight=0.0), build(poseda__weight=1.0)
    weights = [w.detach().clone() for w in heard.classifiers.parameters()]
    for method in (deaf, heard):
        take_step(method, FIRST_STEP)
    assert torch.equal(student_weights(deaf), student_weights(heard))
    after = list(heard.classifiers.parameters())
    assert not any(torch.equal(one, other) for one, other in zip(weights, after, strict=True))


def test_later_the_student_hears_them():
    deaf, heard = build(poseda__weight=0.0), build(poseda__weight=1.0)
    for method in (deaf, heard):
        take_step(method, LAST_STEP)
    assert not torch.equal(student_weights(deaf), student_weights(heard))


def test_the_student_climbs_where_the_classifiers_descend():
    method = build()
    output = method.student.network(torch.rand(4, 3, SIDE, SIDE))
    gradients = []
    for reversal in (1.0, -0.5):
        error = method._errors(output, reversal, label=1).sum()
        wanted = (output.upsampled, method.classifiers.keypoint[0].weight)
        gradients.append(torch.autograd.grad(error, wanted, retain_graph=True))
    (features, classifier), (reversed_features, same_classifier) = gradients
    torch.testing.assert_close(reversed_features, -0.5 * features)
    torch.testing.assert_close(same_classifier, classifier)


def test_an_unsure_keypoint_counts_less():
    method = build()
    predicted = method.student.network(torch.rand(2, 3, SIDE, SIDE))
    heatmaps = torch.zeros(2, 16, 16, 16)
    heatmaps[:, 0, 8, 8] = 20.0  # one sure keypoint, fifteen flat ones
    output = predicted._replace(heatmaps=heatmaps)
    logits = method.classifiers(
        output.features, features_under(output.upsampled, method.student.task.heatmaps(heatmaps))
    ).keypoint
    errors = torch.nn.functional.softplus(-logits)  # of the label 1
    confidence = method.student.task.heatmaps(heatmaps).amax(dim=(2, 3)).clamp(max=1)
    assert confidence[0, 0] == 1 and confidence[0, 1] < 0.06
    expected = (errors * confidence).sum() / confidence.sum()
    torch.testing.assert_close(method._errors(output, 1.0, label=1)[1], expected)
