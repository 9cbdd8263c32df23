"""The teacher's predictions reach the student's view at the right place, under the right name.

The pictures tell where they are: red and green of a pixel are its x and y, blue is 1. A network that reads
colours therefore knows any view's geometry from the picture alone, and whether it is mirrored.
"""

import pytest
import torch
from tiny_domains import tiny_params
from tiny_methods import build, labelled_batch, target_terms, tiny_run
from torch import nn

from actupose.core.heatmap import render_gaussians
from actupose.core.pseudo_label import draw_occlusion, swap_flipped
from actupose.core.rng import generator
from actupose.data.augment import draw_view, keypoints_in_view, render_view
from actupose.data.views import teacher_images
from actupose.methods._teaching import OcclusionParams, TargetViews
from actupose.methods.mean_teacher import MeanTeacher
from actupose.nets.pose_resnet import PoseOutput, build_network
from actupose.nets.pose_task import flip_permutation
from actupose.params import HeatmapParams, ViewParams
from actupose.skeleton import BODY16

SIDE, CELLS = 256, 64
PERMUTATION = flip_permutation(BODY16)


def position_pictures(count: int) -> torch.Tensor:
    """uint8 (B, 3, 256, 256): red = x, green = y, blue = 255."""
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    return torch.stack((x, y, torch.full_like(x, 255))).byte().expand(count, 3, SIDE, SIDE).contiguous()


def read_view(image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """View pixels from stored pixels, as (2, 2) and (2,), read off the colours of a view (3, S, S)."""
    inner = (image[2] > 0.999).nonzero()[::37]
    colours = 255 * image[:2, inner[:, 0], inner[:, 1]].double().T
    design = torch.cat((colours, torch.ones(len(colours), 1, dtype=torch.double)), 1)
    solution = torch.linalg.lstsq(design, inner.flip(1).double()).solution
    return solution[:2].T, solution[2]


class ColourReader(nn.Module):
    """A network that is always right: it draws the labels where the colours say, by their seen names."""

    def __init__(self, labels: torch.Tensor) -> None:
        super().__init__()
        self.labels = labels.double()
        self.unused = nn.Parameter(torch.zeros(()))

    def places(self, images: torch.Tensor) -> torch.Tensor:
        found = []
        for image, labels in zip(images, self.labels, strict=True):
            matrix, shift = read_view(image)
            seen = labels @ matrix.T + shift
            found.append(seen[PERMUTATION] if torch.det(matrix) < 0 else seen)
        return torch.stack(found).float()

    def forward(self, images: torch.Tensor) -> PoseOutput:
        cells = (self.places(images) + 0.5) * CELLS / SIDE - 0.5
        return PoseOutput(
            render_gaussians(cells, (CELLS, CELLS), 2.0) + self.unused, images.mean(dim=(2, 3)), images
        )


def views(**changes):
    ranges = {
        "rotation": 60,
        "shear": 30,
        "translate": 0.05,
        "scale": [0.6, 1.3],
        "flip": 0.5,
        "color": 0,
        "blur": 0,
    }
    return ViewParams.model_validate(ranges | changes)


def mean_teacher(
    teacher=None, student=None, rate=0.0, seed=0, crop_area=(0.6, 1.0), weights="udape", **changes
) -> MeanTeacher:
    run = tiny_run(weights, seed)
    occlusion = OcclusionParams(rate=rate, threshold=0.5, size=0.04)
    updates = {
        "image_size": SIDE,
        "heatmap": HeatmapParams(sigma=2.0, loss="mse", decode="dark"),
        "augment": run.augment.model_copy(
            update={"student": student or views(), "teacher": teacher or views(), "crop_area": crop_area}
        ),
        "method": run.method.model_copy(update={"mask_ratio": 0.0, "occlusion": occlusion} | changes),
    }
    return build(run.model_copy(update=updates))


def pseudo_labels(method, network, images, target_views):
    method.teacher = network
    augment = method.student.run.augment
    seen = [teacher_images(augment, images, view) for view in target_views.teacher]
    return method.pseudo_labels(seen, target_views)


def views_of_stored(method, count):
    """One view of the teacher's, straight from the stored image."""
    side, base = SIDE, torch.eye(3).expand(count, 3, 3)
    view = draw_view(method.student.run.augment.teacher, base, side, generator(0, "teacher view", 0))
    occlusion = draw_occlusion(count, 16, side, generator(0, "x"), torch.device("cpu"))
    return TargetViews([view], view, occlusion)


def central_labels(count: int, seed: int = 0) -> torch.Tensor:
    return 90 + 76 * torch.rand(count, 16, 2, generator=torch.Generator().manual_seed(seed))


def well_inside(places: torch.Tensor) -> torch.Tensor:
    return ((places > 8) & (places < SIDE - 9)).all(dim=-1)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("views_merged", [1, 2])
def test_a_perfect_teachers_labels_land_within_a_twentieth_of_a_cell_in_the_students_view(seed, views_merged):
    # The reference code: RMSE 1.3 cells with a perfect teacher (facts C2).
    images, labels = position_pictures(8), central_labels(8, seed)
    method, network = mean_teacher(views=views_merged, seed=seed), ColourReader(labels)
    drawn = method.draw_views(0, images)
    assert len(drawn.teacher) == views_merged
    pseudo = pseudo_labels(method, network, images, drawn)
    unflipped = torch.arange(16)
    seen_by_teacher = torch.stack(
        [well_inside(keypoints_in_view(labels, view, unflipped)) for view in drawn.teacher]
    ).all(dim=0)
    view = drawn.student
    assert 0 < view.flipped.sum() < 8
    in_view = network.places(render_view(images, view, blurred=False))
    keep = swap_flipped(seen_by_teacher, view.flipped, PERMUTATION) & well_inside(in_view)
    assert keep.sum() > 50
    placed = keypoints_in_view(pseudo.keypoints_stored, view, PERMUTATION)
    error = (placed - in_view).norm(dim=-1)[keep] * CELLS / SIDE
    assert error.max() < 0.05


def test_mirrored_views_rename_left_and_right_and_predictions_come_back_under_their_own_names():
    images, labels = position_pictures(6), central_labels(6)
    still = {"rotation": 0, "shear": 0, "translate": 0, "scale": [1, 1]}
    method = mean_teacher(teacher=views(flip=1.0, **still))
    base = torch.eye(3).expand(6, 3, 3)
    pseudo = pseudo_labels(method, ColourReader(labels), images, views_of_stored(method, 6))
    torch.testing.assert_close(pseudo.keypoints_stored, labels, atol=0.2, rtol=0)

    mirrored = draw_view(views(flip=1.0, **still), base, SIDE, generator(0, "x"))
    placed = keypoints_in_view(labels, mirrored, PERMUTATION)
    left, right = BODY16.index("left_wrist"), BODY16.index("right_wrist")
    torch.testing.assert_close(placed[:, left, 0], SIDE - 1 - labels[:, right, 0])
    torch.testing.assert_close(placed[:, left, 1], labels[:, right, 1])
    head = BODY16.index("head_top")
    torch.testing.assert_close(placed[:, head, 0], SIDE - 1 - labels[:, head, 0])


def test_the_loss_of_a_student_as_perfect_as_its_teacher_is_nothing():
    images, labels = position_pictures(6), central_labels(6)
    gentle = views(rotation=20, shear=5, scale=[0.8, 1.0])
    method, network = mean_teacher(teacher=gentle, student=gentle, seed=1), ColourReader(labels)
    terms = target_terms(method, network, network, images, step=2)
    assert terms["kept"] == 1
    off_by_a_cell = 0.5 * 2.0  # of one map: the mean of the squared difference is about pi / 2 cells^2 / 64^2
    assert terms["consistency"] < 1e-3 * off_by_a_cell / CELLS**2


class Recorder(nn.Module):
    """Keeps what it is shown."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.seen = network, []

    def forward(self, images: torch.Tensor) -> PoseOutput:
        self.seen.append(images)
        return self.network(images)


def test_the_patch_covers_its_keypoint_in_the_students_view():
    images, labels = position_pictures(8), central_labels(8)
    gentle = views(rotation=60, shear=10, scale=[0.8, 1.0])
    pictures = []
    for rate in (0.0, 1.0):
        student = Recorder(build_network(16, tiny_params().network, 0))
        method = mean_teacher(teacher=gentle, student=gentle, rate=rate, seed=3)
        target_terms(method, student, ColourReader(labels), images)
        pictures.append(student.seen[0])
    changed = (pictures[0] != pictures[1]).any(dim=1)
    places = ColourReader(labels).places(pictures[0])
    half = round(0.04 * SIDE)
    for mask, place in zip(changed, places, strict=True):
        y, x = mask.nonzero().unbind(1)
        assert len(x) > half * half  # a box of 2 half, less what happens to look alike
        centre = torch.stack((x.min() + x.max() + 1, y.min() + y.max() + 1)) / 2
        assert (place - centre).abs().amax(dim=1).min() <= 1.5  # one keypoint lies in the middle
        assert x.max() - x.min() < 2 * half and y.max() - y.min() < 2 * half


def test_a_patch_over_no_confident_keypoint_is_not_pasted():
    images = torch.rand(3, 3, 32, 32)
    occlusion = OcclusionParams(rate=1.0, threshold=0.9, size=0.1)
    keypoints, confidence = torch.full((3, 2, 2), 16.0), torch.tensor([[0.1, 0.89], [0.95, 0.2], [0.0, 0.0]])
    draws = draw_occlusion(3, 2, 32, generator(0, "x"), torch.device("cpu"))
    method = mean_teacher(occlusion=occlusion)
    seen = method.cover(images, keypoints, method.choose(confidence, draws), draws)
    assert torch.equal(seen[[0, 2]], images[[0, 2]])
    rows, columns = (seen[1] != images[1]).any(dim=0).nonzero().unbind(1)
    assert rows.min() >= 13 and rows.max() <= 18 and columns.min() >= 13 and columns.max() <= 18
    assert torch.equal(
        seen[1, :, 13:19, 13:19] != images[1, :, 13:19, 13:19], torch.ones(3, 6, 6, dtype=torch.bool)
    )


def test_no_patch_is_laid_over_a_keypoint_outside_the_students_view():
    images, labels = (
        position_pictures(4),
        torch.full((4, 16, 2), 26.0),
    )  # in the view at 127.5 + 1.3 (26 - 127.5) = -4.45
    zoomed = views(rotation=0, shear=0, translate=0, scale=[1.3, 1.3], flip=0)
    still = views(rotation=0, shear=0, translate=0, scale=[1, 1], flip=0)
    method = mean_teacher(teacher=still, student=zoomed, rate=1.0, crop_area=(1.0, 1.0))
    student = Recorder(build_network(16, tiny_params().network, 0))
    terms = target_terms(method, student, ColourReader(labels), images)
    assert terms["kept"] == 0
    assert terms["consistency"] == 0
    view = method.draw_views(0, images).student
    torch.testing.assert_close(student.seen[0], render_view(images, view, blurred=False))


class Unsure(nn.Module):
    """Draws keypoint k with its own height in the middle; the right half of the body is highest."""

    heights = torch.tensor([10, 11, 12, 3, 2, 1, 4, 5, 13, 14, 15, 16, 9, 8, 7, 6]) / 16

    def forward(self, images: torch.Tensor) -> PoseOutput:
        maps = render_gaussians(torch.full((len(images), 16, 2), 31.5), (CELLS, CELLS), 2.0)
        return PoseOutput(maps * self.heights[:, None, None], images.mean(dim=(2, 3)), images)


def test_the_gate_follows_keypoints_through_a_mirrored_view():
    still = {"rotation": 0, "shear": 0, "translate": 0, "scale": [1, 1]}
    method = mean_teacher(teacher=views(flip=1.0, **still), mask_ratio=0.5)
    pseudo = pseudo_labels(method, Unsure(), position_pictures(4), views_of_stored(method, 4))
    peak = torch.exp(torch.tensor(-2 * 0.25 / 8))  # half a cell from the middle in x and y, sigma 2
    expected = (Unsure.heights * peak)[PERMUTATION].expand(4, 16)
    torch.testing.assert_close(pseudo.confidence, expected)
    in_view = Unsure.heights > 0.5
    assert torch.equal(pseudo.kept[0], in_view[PERMUTATION])  # what looks right in a mirror is left
    triplets = torch.tensor(BODY16.triplets)
    assert torch.equal(pseudo.valid[0], in_view[triplets].all(dim=1))  # angles are of the view, names and all


@pytest.fixture
def step():
    """Terms of one real step with all losses, and its networks."""
    method = build(tiny_run("actupose", mean_teacher__gamma=10.0))
    student, teacher = (build_network(16, tiny_params().network, seed) for seed in (0, 1))
    batch = labelled_batch()
    labels = method.student.labelled_view(0, batch)
    target = batch.images.flip(0)
    method.student.network, method.teacher = student, teacher
    source = method.student.predict(labels.images)
    terms = method.student.losses(source, labels, method.weights)
    terms |= target_terms(method, student, teacher, target)
    drawn, augment = method.draw_views(0, target), method.student.run.augment
    pseudo = method.pseudo_labels([teacher_images(augment, target, drawn.teacher[0])], drawn)
    terms["cross_domain"], terms["pairs"] = method.cross_domain(source, labels, pseudo)
    return terms, student, teacher


@pytest.mark.parametrize(
    "name", ["source", "evalpose_source", "consistency", "evalpose_target", "cross_domain"]
)
def test_every_loss_moves_the_student_and_none_the_teacher(step, name):
    terms, student, teacher = step
    terms[name].backward()
    assert all(weight.grad is None for weight in teacher.parameters())
    moved = {
        key
        for key, weight in student.named_parameters()
        if weight.grad is not None and weight.grad.abs().sum() > 0
    }
    assert "backbone.net.embedder.embedder.convolution.weight" in moved
    assert ("head.0.weight" in moved) == (name != "cross_domain")  # features lie below the head


def test_what_is_logged_beside_the_losses_is_a_share(step):
    terms, _, _ = step
    assert 0 <= terms["kept"] <= 0.5  # mask_ratio 0.5
    assert 0 < terms["pairs"] < 1  # poses differ by less than ten radians, but not all share a kept triplet
