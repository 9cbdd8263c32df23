"""What a training run is made from: the params it reads and nothing else."""

from typing import Literal, Self

from actupose.params import (
    AdaptationParams,
    AugmentParams,
    CurriculumParams,
    Fidelity,
    HeatmapParams,
    MethodParams,
    NetworkParams,
    OptimParams,
    Params,
    PosedaParams,
    RegdaParams,
    ScheduleParams,
    Settings,
    StyleParams,
)
from actupose.skeleton import SKELETONS, Skeleton, SkeletonName


class TrainingSettings(Settings):
    """Every value that decides the weights of one (method, seed); dvc.yaml lists the same for ``train``."""

    method_name: str
    seed: int
    skeleton_name: SkeletonName
    image_size: int
    method: MethodParams
    network: NetworkParams
    heatmap: HeatmapParams
    augment: AugmentParams
    adaptation: AdaptationParams
    fidelity: Fidelity
    style: StyleParams
    regda: RegdaParams
    poseda: PosedaParams
    curriculum: CurriculumParams
    schedule: ScheduleParams
    optim: OptimParams
    precision: Literal["32-true", "bf16-mixed"]
    every_epochs: int

    @classmethod
    def of(cls, params: Params, method: str, seed: int) -> Self:
        """Settings of one run out of the whole tree."""
        return cls(
            method_name=method,
            seed=seed,
            skeleton_name=params.data.skeleton,
            image_size=params.data.image_size,
            method=params.methods[method],
            network=_network(params, method),
            heatmap=params.heatmap,
            augment=params.augment,
            adaptation=params.adaptation,
            fidelity=params.fidelity,
            style=params.style,
            regda=params.regda,
            poseda=params.poseda,
            curriculum=params.curriculum,
            schedule=params.schedule,
            optim=params.optim,
            precision=params.compute.precision,
            every_epochs=params.evaluation.every_epochs,
        )

    @property
    def skeleton(self) -> Skeleton:
        """The skeleton itself."""
        return SKELETONS[self.skeleton_name]


def _network(params: Params, method: str) -> NetworkParams:
    """RegDA's main head is as deep as its adversarial one."""
    if params.methods[method].adaptation == "regda":
        return params.network.model_copy(update={"head_layers": params.regda.head_layers})
    return params.network
