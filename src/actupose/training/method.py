"""The method of a run: its kind's, or the twin that computes as public code does."""

from importlib import import_module

from actupose.methods import NO_NETS, HelperNets, Method
from actupose.methods.reference import TWINS, ReferencePoseTask
from actupose.methods.supervised import Student
from actupose.nets.pose_model import ModelInfo
from actupose.nets.pose_task import PoseTask, flip_permutation
from actupose.nets.runtime import Runtime
from actupose.params import RunParams


def build_method(run: RunParams, runtime: Runtime, nets: HelperNets = NO_NETS) -> Method:
    """The method with its first weights."""
    task, method = PoseTask, import_module(f"actupose.methods.{run.method.kind}").METHOD
    if run.method.fidelity == "reference":
        task, method = ReferencePoseTask, TWINS.get(method, method)
    permutation = flip_permutation(run.skeleton).to(runtime.device)
    student = Student(run, runtime, task(run.skeleton, run.image_size, run.heatmap, permutation))
    built: Method = method(student, nets)
    return built


def model_info(run: RunParams) -> ModelInfo:
    """What a reader of the trained weights must know."""
    info = ModelInfo(
        skeleton=run.skeleton_name, image_size=run.image_size, network=run.network, heatmap=run.heatmap
    )
    if run.method.fidelity == "corrected":
        return info
    heatmap = run.heatmap.model_copy(update={"decode": "argmax"})
    return info.model_copy(update={"cell": "corner", "heatmap": heatmap})
