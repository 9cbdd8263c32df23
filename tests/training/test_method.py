import pytest
from tiny_methods import UNMIRRORED, build, tiny_run

from actupose.methods.mean_teacher import MeanTeacher
from actupose.methods.poseda import PoseDA
from actupose.methods.reference import ReferenceMeanTeacher, ReferencePoseTask, ReferenceRegDA
from actupose.methods.regda import RegDA
from actupose.methods.supervised import Supervised
from actupose.nets.pose_task import PoseTask
from actupose.training.method import model_info

CORRECTED = {"source_only": Supervised, "regda": RegDA, "poseda": PoseDA, "actupose": MeanTeacher}
REFERENCE = CORRECTED | {"regda": ReferenceRegDA, "actupose": ReferenceMeanTeacher}


@pytest.mark.parametrize("name", CORRECTED)
def test_the_kind_and_its_fidelity_choose_the_method_and_its_task(name):
    ours = build(tiny_run(name))
    public = build(tiny_run(name, every__fidelity="reference", **UNMIRRORED))
    assert (type(ours), type(ours.student.task)) == (CORRECTED[name], PoseTask)
    assert (type(public), type(public.student.task)) == (REFERENCE[name], ReferencePoseTask)


def test_a_model_says_how_its_cells_are_read():
    ours = model_info(tiny_run("udape"))
    public = model_info(tiny_run("udape", every__fidelity="reference", **UNMIRRORED))
    assert (ours.cell, ours.heatmap.decode) == ("centre", "dark")
    assert (public.cell, public.heatmap.decode) == ("corner", "argmax")
