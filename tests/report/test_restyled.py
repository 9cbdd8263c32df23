import numpy as np
import pytest
from tiny_domains import Project, tiny_params

from actupose.nets.style_net import build_style_net
from actupose.report.figures import draw_restyled
from actupose.report.read import Folders
from actupose.report.restyled import restyled_examples
from actupose.training.style_training import save_style

HEADINGS = ["source", "in the target's look", "target", "in the source's look"]


@pytest.fixture
def folders(tmp_path):
    project = Project(tmp_path)
    return Folders(
        evaluations=tmp_path,
        runs=tmp_path,
        bins=project.bins,
        normalised=tmp_path,
        ingested=project.ingested,
        style=project.inputs.style,
    )


def test_without_style_transfer_there_is_nothing_to_show(folders):
    assert restyled_examples(folders, tiny_params()) is None
    assert draw_restyled(None) == []


def test_images_stand_beside_what_they_become(folders):
    examples = restyled_examples(
        folders, tiny_params(mean_teacher__style__kind="fourier", mean_teacher__style__band=0.0)
    )
    assert list(examples) == HEADINGS
    assert {images.shape for images in examples.values()} == {(4, 32, 32, 3)}
    # A band of nothing exchanges mean colours: dark sources and bright targets change places.
    means = [images.mean(axis=(1, 2)) for images in examples.values()]
    np.testing.assert_allclose(means[1], means[2], atol=3)
    np.testing.assert_allclose(means[3], means[0], atol=3)
    (figure,) = draw_restyled(examples)
    assert figure.name == "restyled" and figure.png.startswith(b"\x89PNG")


def test_a_style_net_is_read_from_its_folder(folders):
    params = tiny_params(mean_teacher__style__kind="adain")
    net = build_style_net(params.style_net)
    save_style(folders.style, net, params.style_net, [{"style": 1.0}])
    assert list(restyled_examples(folders, params)) == HEADINGS
