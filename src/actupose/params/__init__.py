"""The settings of a run: a frozen tree that mirrors ``params.yaml`` key by key.

Every value is checked before any stage computes. An unknown key, a missing key or a value out of range
is a :class:`UserError` of one line. Fields have no defaults: what a run uses stands in its file. Presets
change a few values of ``base.yaml``, which has them all: :mod:`actupose.params.overlay`.
"""

from actupose.params.base import (
    Fidelity,
    Fraction,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    Settings,
    ascending,
    describe,
)
from actupose.params.curriculum import (
    ActiveCurriculum,
    ActiveSamplingCurriculum,
    Curriculum,
    HardMiningCurriculum,
    PeakCurriculum,
    ProgressiveCurriculum,
    RandomShareCurriculum,
    UniformCurriculum,
)
from actupose.params.data import (
    CocoData,
    Corpus,
    DataParams,
    FiguresData,
    FolderData,
    FreihandData,
    H3dData,
    Human36mData,
    IngestParams,
    LspData,
    RhdData,
    SurrealData,
    SurrealRawData,
)
from actupose.params.method import Domain, MethodParams, known_kinds, params_of, plain_pretraining
from actupose.params.run import RunParams
from actupose.params.training import (
    AugmentParams,
    BinsParams,
    HeatmapParams,
    NetworkParams,
    OptimParams,
    ScheduleParams,
    StyleNetParams,
    VaeParams,
    ViewParams,
)
from actupose.params.tree import ComputeParams, Params, TrainParams, check_params, load_params, parse_tree

__all__ = [
    "ActiveCurriculum",
    "ActiveSamplingCurriculum",
    "AugmentParams",
    "BinsParams",
    "CocoData",
    "ComputeParams",
    "Corpus",
    "Curriculum",
    "DataParams",
    "Domain",
    "Fidelity",
    "FiguresData",
    "FolderData",
    "Fraction",
    "FreihandData",
    "H3dData",
    "HardMiningCurriculum",
    "HeatmapParams",
    "Human36mData",
    "IngestParams",
    "LspData",
    "MethodParams",
    "NetworkParams",
    "NonNegativeFloat",
    "OptimParams",
    "Params",
    "PeakCurriculum",
    "PositiveFloat",
    "PositiveInt",
    "ProgressiveCurriculum",
    "RandomShareCurriculum",
    "RhdData",
    "RunParams",
    "ScheduleParams",
    "Settings",
    "StyleNetParams",
    "SurrealData",
    "SurrealRawData",
    "TrainParams",
    "UniformCurriculum",
    "VaeParams",
    "ViewParams",
    "ascending",
    "check_params",
    "describe",
    "known_kinds",
    "load_params",
    "params_of",
    "parse_tree",
    "plain_pretraining",
]
