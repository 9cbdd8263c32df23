import numpy as np
import pytest

from actupose.report.plots.skeletons import plot_gallery
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
