"""The settings of a run: a frozen tree that mirrors ``params.yaml`` key by key.

Every value is checked before any stage computes. An unknown key, a missing key or a value out of range
is a :class:`UserError` of one line. Fields have no defaults: what a run uses stands in its file.
"""

from actupose.params.base import Settings
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
from actupose.params.training import (
    AdaptationParams,
    AugmentParams,
    CurriculumName,
    CurriculumParams,
    HeatmapParams,
    LossWeights,
    MethodParams,
    NetworkParams,
    OcclusionParams,
    OptimParams,
    PosedaParams,
    RegdaParams,
    ScheduleParams,
    StyleParams,
    VaeParams,
    ViewParams,
)
from actupose.params.tree import ComputeParams, Params, TrainParams, check_params, load_params

__all__ = [
    "AdaptationParams",
    "AugmentParams",
    "CocoData",
    "ComputeParams",
    "Corpus",
    "CurriculumName",
    "CurriculumParams",
    "DataParams",
    "FiguresData",
    "FolderData",
    "FreihandData",
    "H3dData",
    "HeatmapParams",
    "Human36mData",
    "IngestParams",
    "LossWeights",
    "LspData",
    "MethodParams",
    "NetworkParams",
    "OcclusionParams",
    "OptimParams",
    "Params",
    "PosedaParams",
    "RegdaParams",
    "RhdData",
    "ScheduleParams",
    "Settings",
    "StyleParams",
    "SurrealData",
    "SurrealRawData",
    "TrainParams",
    "VaeParams",
    "ViewParams",
    "check_params",
    "load_params",
]
