"""What a training run is made from: the params it reads and nothing else."""

import json
from typing import Literal, Self

from actupose.params.base import NonNegativeInt, Settings
from actupose.params.method import AnyMethod
from actupose.params.training import (
    AugmentParams,
    HeatmapParams,
    NetworkParams,
    OptimParams,
    ScheduleParams,
)
from actupose.params.tree import Params
from actupose.skeleton import SKELETONS, Skeleton, SkeletonName


class RunParams(Settings):
    """Every value that decides the weights of one (method, seed); dvc.yaml lists the same for ``train``."""

    method_name: str
    seed: NonNegativeInt
    skeleton_name: SkeletonName
    image_size: int
    method: AnyMethod
    network: NetworkParams
    heatmap: HeatmapParams
    augment: AugmentParams
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
            network=params.methods[method].network(params.network),
            heatmap=params.heatmap,
            augment=params.augment,
            schedule=params.schedule,
            optim=params.optim,
            precision=params.compute.precision,
            every_epochs=params.evaluation.every_epochs,
        )

    @property
    def pretraining(self) -> str | None:
        """What of them decides the steps before adaptation begins, as json; None where none is shared."""
        if self.schedule.pretrain_epochs == 0 or self.method.pretraining is None:
            return None
        shared = self.model_dump(mode="json", exclude={"method_name", "method"})
        return json.dumps(shared | {"pretraining": self.method.pretraining}, default=str)

    @property
    def skeleton(self) -> Skeleton:
        """The skeleton itself."""
        return SKELETONS[self.skeleton_name]
