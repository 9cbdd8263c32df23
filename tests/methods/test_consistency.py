"""The teacher's word reaches the student's view at the right place, under the right name.

The pictures tell where they are: red and green of a pixel are its x and y, blue is 1. A network that reads
colours therefore knows any view's geometry from the picture alone, and whether it is mirrored.
"""

import pytest
import torch
from tiny_domains import tiny_params
from torch import nn

from actupose.core.heatmap import render_gaussians
from actupose.core.rng import generator
from actupose.data.augment import draw_crop, draw_view, keypoints_in_view, render_view
from actupose.methods.consistency import Consistency, occlude
from actupose.methods.pose_task import PoseTask, flip_permutation
from actupose.methods.supervised import LabelledBatch, labelled_forward, labelled_view, supervised_terms
from actupose.nets.pose_resnet import PoseOutput, build_network
from actupose.params import HeatmapParams, OcclusionParams, ViewParams
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


def mean_teacher(teacher=None, student=None, rate=0.0, **adaptation):
    params = tiny_params(adaptation__views=adaptation.pop("views", 1))
    occlusion = OcclusionParams(rate=rate, threshold=0.5, size=0.04)
    settings = params.adaptation.model_copy(update={"mask_ratio": 0.0, "occlusion": occlusion} | adaptation)
    augment = params.augment.model_copy(
        update={"student": student or views(), "teacher": teacher or views(), "crop_area": (0.6, 1.0)}
    )
    heatmap = HeatmapParams(sigma=2.0, loss="mse", decode="dark")
    task = PoseTask(BODY16, SIDE, heatmap, PERMUTATION)
    return Consistency(task, augment, settings, params.methods["actupose"].weights)


def central_labels(count: int, seed: int = 0) -> torch.Tensor:
    return 90 + 76 * torch.rand(count, 16, 2, generator=torch.Generator().manual_seed(seed))


def well_inside(places: torch.Tensor) -> torch.Tensor:
    return ((places > 8) & (places < SIDE - 9)).all(dim=-1)


def base_of(method, count, seed):
    random = generator(seed, "target view", 0)
    base = draw_crop(method.augment.crop_area, count, SIDE, random, torch.device("cpu"))
    return base, random


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("views_merged", [1, 2])
def test_a_perfect_teachers_labels_land_within_a_twentieth_of_a_cell_in_the_students_view(seed, views_merged):
    # The reference code: RMSE 1.3 cells with a perfect teacher (facts C2).
    images, labels = position_pictures(8), central_labels(8, seed)
    method, network = mean_teacher(views=views_merged), ColourReader(labels)
    base, random = base_of(method, 8, seed)
    pseudo = method.pseudo_labels(network, images, base, seed, 0)
    stream = generator(seed, "teacher view", 0)
    seen_by_teacher = torch.stack(
        [
            well_inside(
                keypoints_in_view(
                    labels, draw_view(method.augment.teacher, base, SIDE, stream), torch.arange(16)
                )
            )
            for _ in range(views_merged)
        ]
    ).all(dim=0)
    view = draw_view(method.augment.student, base, SIDE, random)
    assert 0 < view.flipped.sum() < 8
    in_view = network.places(render_view(images, view, blurred=False))
    keep = method._renamed(seen_by_teacher, view) & well_inside(in_view)
    assert keep.sum() > 50
    error = (
        (keypoints_in_view(pseudo.keypoints, view, PERMUTATION) - in_view).norm(dim=-1)[keep] * CELLS / SIDE
    )
    assert error.max() < 0.05


def test_mirrored_views_rename_left_and_right_and_the_word_comes_back_under_its_own_name():
    images, labels = position_pictures(6), central_labels(6)
    still = {"rotation": 0, "shear": 0, "translate": 0, "scale": [1, 1]}
    method = mean_teacher(teacher=views(flip=1.0, **still))
    base = torch.eye(3).expand(6, 3, 3)
    pseudo = method.pseudo_labels(ColourReader(labels), images, base, 0, 0)
    torch.testing.assert_close(pseudo.keypoints, labels, atol=0.2, rtol=0)

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
    method, network = mean_teacher(teacher=gentle, student=gentle), ColourReader(labels)
    method = Consistency(method.task, method.augment, method.settings, tiny_params().methods["udape"].weights)
    terms = method.terms(network, network, None, images, seed=1, step=2)
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
    clean, covered = (mean_teacher(teacher=gentle, student=gentle, rate=rate) for rate in (0.0, 1.0))
    weights = tiny_params().methods["udape"].weights
    pictures = []
    for method in (clean, covered):
        student = Recorder(build_network(16, tiny_params().network, 0))
        method = Consistency(method.task, method.augment, method.settings, weights)
        method.terms(student, ColourReader(labels), None, images, seed=3, step=0)
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
    settings = OcclusionParams(rate=1.0, threshold=0.9, size=0.1)
    keypoints, confidence = torch.full((3, 2, 2), 16.0), torch.tensor([[0.1, 0.89], [0.95, 0.2], [0.0, 0.0]])
    seen = occlude(images, keypoints, confidence, settings, generator(0, "x"))
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
    method = mean_teacher(teacher=still, student=zoomed, rate=1.0)
    augment = method.augment.model_copy(update={"crop_area": (1.0, 1.0)})
    method = Consistency(method.task, augment, method.settings, tiny_params().methods["udape"].weights)
    student = Recorder(build_network(16, tiny_params().network, 0))
    terms = method.terms(student, ColourReader(labels), None, images, 0, 0)
    assert terms["kept"] == 0
    assert terms["consistency"] == 0
    random = generator(0, "target view", 0)
    base = draw_crop((1.0, 1.0), 4, SIDE, random, torch.device("cpu"))
    view = draw_view(zoomed, base, SIDE, random)
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
    pseudo = method.pseudo_labels(Unsure(), position_pictures(4), torch.eye(3).expand(4, 3, 3), 0, 0)
    peak = torch.exp(torch.tensor(-2 * 0.25 / 8))  # half a cell from the middle in x and y, sigma 2
    expected = (Unsure.heights * peak)[PERMUTATION].expand(4, 16)
    torch.testing.assert_close(pseudo.confidence, expected)
    in_view = Unsure.heights > 0.5
    assert torch.equal(pseudo.keep[0], in_view[PERMUTATION])  # what looks right in a mirror is left
    triplets = torch.tensor(BODY16.triplets)
    assert torch.equal(pseudo.valid[0], in_view[triplets].all(dim=1))  # angles are of the view, names and all


@pytest.fixture
def step():
    """Terms of one real step with all losses, its networks, and the labelled side."""
    params = tiny_params(adaptation__gamma=10.0)
    student, teacher = (build_network(16, params.network, seed) for seed in (0, 1))
    task = PoseTask(BODY16, 32, params.heatmap, PERMUTATION)
    method = Consistency(task, params.augment, params.adaptation, params.methods["actupose"].weights)
    random = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (4, 3, 32, 32), generator=random).byte()
    labels = 31 * torch.rand(4, 16, 2, generator=random)
    batch = LabelledBatch(images, labels, torch.ones(4, 16, dtype=torch.bool))
    source = labelled_forward(student, labelled_view(task, params.augment, batch, 0, 0))
    terms = supervised_terms(task, source, evalpose=True)
    terms |= method.terms(student, teacher, source, images.flip(0), 0, 0)
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
