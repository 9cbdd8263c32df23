"""What the public code of UDAPE and RegDA computes where ours differs (``fidelity: reference``).

Chosen in one place, :mod:`actupose.training.method`: by ``TWINS`` a kind's method gives way to its twin.
"""

from actupose.methods.mean_teacher import MeanTeacher
from actupose.methods.reference.mean_teacher import ReferenceMeanTeacher
from actupose.methods.reference.pose_task import ReferencePoseTask
from actupose.methods.reference.regda import ReferenceRegDA
from actupose.methods.regda import RegDA

TWINS: dict[type, type] = {MeanTeacher: ReferenceMeanTeacher, RegDA: ReferenceRegDA}

__all__ = ["TWINS", "ReferenceMeanTeacher", "ReferencePoseTask", "ReferenceRegDA"]
