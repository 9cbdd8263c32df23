import numpy as np

from actupose.report.plots.skeletons import plot_gallery
from actupose.skeleton import BODY16, HAND21


def gallery(skeleton):
    pose = np.random.default_rng(0).normal(size=(1, len(skeleton), 2))
    return plot_gallery([("", pose)], skeleton)


def drawn_bones(figure):
    """Bones end with a gap each."""
    return sum(np.isnan(line.get_xdata()).sum() for line in figure.axes[0].lines)


def test_every_bone_of_a_skeleton_is_drawn():
    assert drawn_bones(gallery(BODY16)) == len(BODY16.bones)
    assert drawn_bones(gallery(HAND21)) == len(HAND21.bones)


def test_sides_are_named_where_the_skeleton_has_them():
    assert gallery(BODY16).legends[0].texts[0].get_text() == "person's right"
    assert gallery(HAND21).legends == []
