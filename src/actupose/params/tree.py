"""The whole tree of settings, and how a file becomes one."""

from collections import Counter
from collections.abc import Hashable
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from actupose.errors import UserError
from actupose.params.base import NonNegativeInt, PositiveFloat, PositiveInt, Settings, describe
from actupose.params.data import DataParams, IngestParams
from actupose.params.method import AnyMethod
from actupose.params.training import (
    AugmentParams,
    BinsParams,
    HeatmapParams,
    NetworkParams,
    OptimParams,
    ScheduleParams,
    StyleNetParams,
    VaeParams,
)


class EvaluationParams(Settings):
    """``every_epochs``: how often training saves predictions on the target's test images (0: never).

    ``promotion_split`` of the target has the labels that choose the model to be put to use (null: none may).
    What ``test`` chooses is not measured by it any more.
    """

    batch_size: PositiveInt
    threshold: Annotated[float, Field(gt=0, lt=1)]
    every_epochs: NonNegativeInt
    promotion_split: Literal["val", "test"] | None


class ComputeParams(Settings):
    """Where and how; only ``precision`` changes results by more than rounding."""

    device: Literal["auto", "cpu", "cuda"]
    precision: Literal["32-true", "bf16-mixed"]
    channels_last: bool
    compile: bool
    workers: NonNegativeInt
    checkpoint_minutes: PositiveFloat


class TrackingParams(Settings):
    """MLflow experiment: one for each task; ``system_metrics`` adds CPU, memory and GPU of a training."""

    experiment: Annotated[str, Field(min_length=1, pattern=r"^[\w .-]+$")]
    system_metrics: bool


class TrainParams(Settings):
    """Which methods run, and with which seeds."""

    methods: Annotated[tuple[str, ...], Field(min_length=1)]
    seeds: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)]


class Params(Settings):
    """The whole tree."""

    data: DataParams
    ingest: IngestParams
    vae: VaeParams
    bins: BinsParams
    style_net: StyleNetParams
    network: NetworkParams
    heatmap: HeatmapParams
    augment: AugmentParams
    schedule: ScheduleParams
    optim: OptimParams
    evaluation: EvaluationParams
    compute: ComputeParams
    tracking: TrackingParams
    train: TrainParams
    methods: dict[Annotated[str, Field(pattern=r"^[a-z0-9_]+$")], AnyMethod]

    @model_validator(mode="after")
    def _train_names_known_methods(self) -> Self:
        unknown = [name for name in self.train.methods if name not in self.methods]
        if unknown:
            raise ValueError(f"train.methods: {unknown[0]!r} is not among methods: {', '.join(self.methods)}")
        repeated = [
            v
            for v in (*self.train.methods, *self.train.seeds)
            if (*self.train.methods, *self.train.seeds).count(v) > 1
        ]
        if repeated:
            raise ValueError(f"train: {repeated[0]!r} is listed twice")
        return self

    @model_validator(mode="after")
    def _trained_methods_fit(self) -> Self:
        mirrors = self.augment.student.flip + self.augment.teacher.flip > 0
        for name in self.train.methods:
            method = self.methods[name]
            if method.fidelity == "reference" and mirrors:
                raise ValueError(
                    f"methods.{name}.fidelity: reference goes with augment.*.flip: 0, as the public code"
                )
            if method.needs_style_net and not self.style_net.train:
                raise ValueError(f"methods.{name} restyles images by AdaIN's net: set style_net.train: true")
        return self


class _UniqueKeys(yaml.SafeLoader):
    """YAML in which a key stands once: elsewhere the last one wins, and the first is lost without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """A dict; raises a YAMLError where a key is repeated."""
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for name, count in Counter(names).items():
            if count > 1:
                raise yaml.YAMLError(f"key {name} stands twice")
        return super().construct_mapping(node, deep)


def load_params(path: Path = Path("params.yaml")) -> Params:
    """Read and check a params file.

    Raises:
        UserError: the file is missing, is not YAML, or holds a bad key or value; the line names it.
    """
    return check_params(parse_tree(read_text(path), str(path)), str(path))


def read_text(path: Path) -> str:
    """Text of a file of settings.

    Raises:
        UserError: the file is missing or cannot be read; the line names it.
    """
    try:
        return path.read_text()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run from the project's root") from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"{path}: not valid YAML: {error}") from None


def parse_tree(text: str, origin: str) -> Any:  # noqa: ANN401 - whatever the YAML holds
    """Plain tree of YAML in which no key stands twice; ``origin`` begins the error line."""
    try:
        return yaml.load(text, _UniqueKeys)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # a month 13 is a ValueError of PyYAML
        raise UserError(f"{origin}: not valid YAML: {' '.join(str(error).split())}") from None


def check_params(tree: Any, origin: str) -> Params:  # noqa: ANN401 - whatever the YAML held
    """Validate a plain tree; ``origin`` begins the error line."""
    try:
        return Params.model_validate(tree)
    except ValidationError as error:
        raise UserError(f"{origin}: {describe(error, tree)}") from None
