"""The settings of a run: a frozen tree that mirrors ``params.yaml`` key by key.

Every value is checked before any stage computes. An unknown key, a missing key or a value out of range
is a :class:`UserError` of one line. Fields have no defaults: what a run uses stands in its file.
"""

import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from actupose.errors import UserError
from actupose.skeleton import SkeletonName

PositiveInt = Annotated[int, Field(gt=0)]
PositiveFloat = Annotated[float, Field(gt=0)]
NonNegativeInt = Annotated[int, Field(ge=0)]
NonNegativeFloat = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]


def _ascending(ends: tuple[float, float]) -> tuple[float, float]:
    if ends[0] > ends[1]:
        raise ValueError(f"the lower end comes first, not [{ends[0]:g}, {ends[1]:g}]")
    return ends


Range = Annotated[tuple[PositiveFloat, PositiveFloat], AfterValidator(_ascending)]
PositiveFraction = Annotated[float, Field(gt=0, le=1)]
AreaRange = Annotated[tuple[PositiveFraction, PositiveFraction], AfterValidator(_ascending)]
CurriculumName = Literal["uniform", "hard_mining", "progressive", "active"]


class Settings(BaseModel):
    """Base of every section: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SplitCounts(Settings):
    """Number of samples a split holds."""

    train: PositiveInt
    val: NonNegativeInt
    test: PositiveInt


class FiguresData(Settings):
    """People the project renders itself; ``root`` is the folder of the code that draws them."""

    corpus: Literal["figures"]
    root: Path
    look: Literal["synthetic", "photo"]
    pose_mix: Annotated[tuple[Fraction, Fraction, Fraction], Field(description="everyday, moderate, rare")]
    counts: SplitCounts
    seed: NonNegativeInt

    @model_validator(mode="after")
    def _mix_sums_to_one(self) -> Self:
        if abs(sum(self.pose_mix) - 1) > 1e-6:
            raise ValueError(f"pose_mix must sum to 1, not {sum(self.pose_mix):g}")
        return self


class SurrealData(Settings):
    """Preprocessed SURREAL; ``tllib`` takes SMPL collars as shoulders, as every published number does."""

    corpus: Literal["surreal"]
    root: Path
    joint_map: Literal["anatomical", "tllib"]


class LspData(Settings):
    """Leeds Sports Pose; ``all`` trains and tests on the same 2000 photos, as the literature does."""

    corpus: Literal["lsp"]
    root: Path
    split: Literal["official", "all"]


class CocoData(Settings):
    """Keypoint json files in COCO's layout: the way to bring labelled data of one's own.

    ``annotations`` names a json file (below ``root``) for each split, ``images`` the folder of each;
    ``keypoints`` maps names of the skeleton to names in the file, a list of names meaning their mean.
    """

    corpus: Literal["coco"]
    root: Path
    annotations: dict[Literal["train", "val", "test"], Path]
    images: dict[Literal["train", "val", "test"], Path]
    keypoints: dict[str, str | tuple[str, ...]]
    crop_scale: PositiveFloat


class FolderData(Settings):
    """Unlabelled images anywhere below ``root``; a seeded share of them is kept for testing."""

    corpus: Literal["folder"]
    root: Path
    test_fraction: Fraction
    seed: NonNegativeInt


Corpus = Annotated[FiguresData | SurrealData | LspData | CocoData | FolderData, Field(discriminator="corpus")]


class DataParams(Settings):
    """Skeleton, size and the two domains. Stored images are squares of ``image_size`` pixels."""

    skeleton: SkeletonName
    image_size: Annotated[int, Field(ge=32, le=1024, multiple_of=32)]
    source: Corpus
    target: Corpus


class IngestParams(Settings):
    """Above this share of rejected inputs the stage fails."""

    max_rejected_fraction: Fraction
    jpeg_quality: Annotated[int, Field(ge=1, le=100)]


class VaeParams(Settings):
    """Pose VAE (P1 2.1)."""

    hidden: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
    latent: PositiveInt
    kl_weight: NonNegativeFloat
    epochs: PositiveInt
    batch_size: PositiveInt
    lr: PositiveFloat
    seed: NonNegativeInt


class CurriculumParams(Settings):
    """Bins and the schedules over them (P1 3, P2 3.1.2)."""

    num_bins: Annotated[int, Field(ge=2)]
    pace: PositiveFloat
    sigma: PositiveFloat
    score_axis: Literal["rank", "minmax", "raw"]
    confidence: Literal["online", "full_pass"]
    hard_fraction: PositiveFraction


class NetworkParams(Settings):
    """Pose network: ResNet backbone, three deconvolutions, 1x1 head.

    ``stages`` is the last backbone stage used: 4 gives heat maps of a quarter of the image side, 3 of half.
    ``pretrained`` is a transformers checkpoint (folder or hub id) or null.
    """

    depth: Literal[18, 34, 50, 101]
    width: Annotated[float, Field(ge=0.0625)]  # a bottleneck of the first stage has 4 channels then
    stages: Literal[3, 4]
    deconv_channels: PositiveInt
    pretrained: str | None


class HeatmapParams(Settings):
    """Gaussian width in heat-map cells, loss and decoding."""

    sigma: PositiveFloat
    loss: Literal["mse", "kl"]
    decode: Literal["argmax", "quarter", "dark"]


class ViewParams(Settings):
    """Ranges of one random view: degrees, shares of the side, factors, blur radius in pixels.

    ``flip`` is the chance of a mirror image, left and right renamed. The presets leave it at 0: with flips a
    network that starts from random weights learns left from right much later, because where a limb lies in
    the image no longer tells its side, and a mean teacher sharpens the confusion (seen on synthbody to LSP).
    """

    rotation: Annotated[float, Field(ge=0, le=180)]
    shear: Annotated[float, Field(ge=0, lt=90)]
    translate: Fraction
    scale: Range
    flip: Fraction
    color: Annotated[float, Field(ge=0, lt=1)]
    blur: NonNegativeFloat


class AugmentParams(Settings):
    """Base crop (share of the image's area) and the views drawn from it."""

    crop_area: AreaRange
    student: ViewParams
    teacher: ViewParams


class OcclusionParams(Settings):
    """Adaptive keypoint occlusion (UDAPE): ``size`` is half the patch's side as a share of the image side."""

    rate: Fraction
    threshold: PositiveFloat
    size: Fraction


class AdaptationParams(Settings):
    """Mean teacher (UDAPE) and the cross-domain loss's threshold ``gamma`` in radians (P2 eq. 7)."""

    ema_decay: Fraction
    mask_ratio: Annotated[float, Field(ge=0, lt=1)]
    gate: Literal["global", "per_keypoint"]
    views: PositiveInt
    teacher_norm: Literal["own", "student"]
    occlusion: OcclusionParams
    gamma: PositiveFloat


class ScheduleParams(Settings):
    """Length of a run; the batch size is the global one, of each domain."""

    epochs: PositiveInt
    pretrain_epochs: NonNegativeInt
    steps_per_epoch: PositiveInt
    batch_size: Annotated[int, Field(ge=2)]

    @model_validator(mode="after")
    def _adaptation_remains(self) -> Self:
        if self.pretrain_epochs >= self.epochs:
            raise ValueError(f"pretrain_epochs must be below epochs = {self.epochs}")
        return self


class OptimParams(Settings):
    """Adam; ``step`` multiplies the rate by ``factor`` at each milestone (epochs), ``cosine`` ends at 0."""

    lr: PositiveFloat
    decay: Literal["step", "cosine"]
    milestones: tuple[NonNegativeInt, ...]
    factor: Fraction


class EvaluationParams(Settings):
    """``every_epochs``: how often training saves predictions on the target's test images (0: never)."""

    batch_size: PositiveInt
    threshold: Annotated[float, Field(gt=0, lt=1)]
    every_epochs: NonNegativeInt


class ComputeParams(Settings):
    """Where and how; only ``precision`` changes results by more than rounding."""

    device: Literal["auto", "cpu", "cuda"]
    precision: Literal["32-true", "bf16-mixed"]
    channels_last: bool
    compile: bool
    workers: NonNegativeInt
    checkpoint_minutes: PositiveFloat


class TrackingParams(Settings):
    """MLflow experiment: one for each task."""

    experiment: Annotated[str, Field(min_length=1, pattern=r"^[\w .-]+$")]


class LossWeights(Settings):
    """Weights w1, w2, w3 of P2 eq. 8."""

    udape: NonNegativeFloat
    evalpose: NonNegativeFloat
    cross_domain: NonNegativeFloat


class MethodParams(Settings):
    """One named run: an adaptation, a curriculum and loss weights."""

    adaptation: Literal["supervised", "mean_teacher"]
    supervision: Literal["source", "target"]
    curriculum: CurriculumName
    weights: LossWeights

    @model_validator(mode="after")
    def _oracle_is_plain(self) -> Self:
        plain = self.adaptation == "supervised" and self.curriculum == "uniform"
        if self.supervision == "target" and not plain:
            raise ValueError("supervision: target goes with adaptation: supervised and curriculum: uniform")
        return self


class TrainParams(Settings):
    """Which methods run, and with which seeds."""

    methods: Annotated[tuple[str, ...], Field(min_length=1)]
    seeds: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)]


class Params(Settings):
    """The whole tree."""

    data: DataParams
    ingest: IngestParams
    vae: VaeParams
    curriculum: CurriculumParams
    network: NetworkParams
    heatmap: HeatmapParams
    augment: AugmentParams
    adaptation: AdaptationParams
    schedule: ScheduleParams
    optim: OptimParams
    evaluation: EvaluationParams
    compute: ComputeParams
    tracking: TrackingParams
    train: TrainParams
    methods: dict[Annotated[str, Field(pattern=r"^[a-z0-9_]+$")], MethodParams]

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


def load_params(path: Path = Path("params.yaml")) -> Params:
    """Read and check a params file.

    Raises:
        UserError: the file is missing, is not YAML, or holds a bad key or value; the line names it.
    """
    try:
        tree = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run from the project's root") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    return check_params(tree, str(path))


def check_params(tree: Any, origin: str) -> Params:  # noqa: ANN401 - whatever the YAML held
    """Validate a plain tree; ``origin`` begins the error line."""
    try:
        return Params.model_validate(tree)
    except ValidationError as error:
        raise UserError(f"{origin}: {_describe(error)}") from None


def _describe(error: ValidationError) -> str:
    """First complaint as ``key = value: what is allowed``, and how many more there are."""
    first, *rest = error.errors(include_url=False)
    key = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "missing":
        line = f"{key}: key is missing"
    elif first["type"] == "extra_forbidden":
        line = f"{key}: unknown key"
    elif not key:
        line = message
    elif isinstance(first["input"], dict | list | tuple | BaseModel):
        line = f"{key}: {message}"
    else:
        line = f"{key} = {first['input']!r}: {message}"
    return line + (f" (and {len(rest)} more)" if rest else "")


if __name__ == "__main__":
    print(json.dumps(Params.model_json_schema(), indent=2))  # noqa: T201 - what the command is for
