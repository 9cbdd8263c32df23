import numpy as np
import pytest

from actupose.report.plots.skeletons import plot_gallery, plot_poses
from actupose.skeleton import BODY16, HAND21

FINGERS = ["thumb", "index finger", "middle finger", "ring finger", "little finger"]


@pytest.mark.parametrize(
    ("skeleton", "labels"), [(BODY16, ["person's right", "person's left", "middle"]), (HAND21, FINGERS)]
)
def test_a_gallery_shades_a_person_by_side_and_a_hand_by_finger(skeleton, labels):
    poses = np.random.default_rng(0).normal(size=(3, len(skeleton), 2))
    figure = plot_gallery([("easiest", poses)], skeleton)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == labels
    lines = [line for line in figure.axes[0].lines if len(line.get_xdata()) > 1]
    assert sum(len(line.get_xdata()) for line in lines) == 3 * len(skeleton.bones)  # start, end, gap


def test_a_page_has_every_pose_under_its_caption_at_one_scale():
    poses = np.random.default_rng(0).normal(size=(7, 16, 2))
    figure = plot_poses(poses, [f"pose {number}" for number in range(7)], BODY16)
    assert [axes.get_title() for axes in figure.axes] == [f"pose {n}" for n in range(7)] + [""] * 3
    drawn = [sum(len(line.get_xdata()) > 1 for line in axes.lines) for axes in figure.axes]
    assert min(drawn[:7]) > 0 and max(drawn[7:]) == 0
    assert len({(axes.get_xlim(), axes.get_ylim()) for axes in figure.axes}) == 1
