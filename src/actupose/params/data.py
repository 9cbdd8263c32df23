"""Settings of the data: skeleton, sizes, the two domains and how each corpus is read."""

from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from actupose.params.base import Fraction, NonNegativeInt, PositiveFloat, PositiveInt, Settings
from actupose.skeleton import SkeletonName


class SplitCounts(Settings):
    """Number of samples a split holds."""

    train: PositiveInt
    val: NonNegativeInt
    test: PositiveInt


class CorpusData(Settings):
    """Base of every corpus; ``labelled_as`` is the skeleton of its labels, None where any can be read."""

    labelled_as: ClassVar[SkeletonName | None] = None
    root: Path


class BodyData(CorpusData):
    """Base of the corpora of people."""

    labelled_as = "body16"


class HandData(CorpusData):
    """Base of the corpora of hands."""

    labelled_as = "hand21"


class FiguresData(CorpusData):
    """People or left hands, by skeleton, that the project renders itself; ``root`` is the code that draws."""

    corpus: Literal["figures"]
    look: Literal["synthetic", "photo"]
    pose_mix: Annotated[tuple[Fraction, Fraction, Fraction], Field(description="everyday, moderate, rare")]
    counts: SplitCounts
    seed: NonNegativeInt

    @model_validator(mode="after")
    def _mix_sums_to_one(self) -> Self:
        if abs(sum(self.pose_mix) - 1) > 1e-6:
            raise ValueError(f"pose_mix must sum to 1, not {sum(self.pose_mix):g}")
        return self


class SurrealData(BodyData):
    """Preprocessed SURREAL; ``tllib`` takes SMPL collars as shoulders, as every published number does."""

    corpus: Literal["surreal"]
    joint_map: Literal["anatomical", "tllib"]


class SurrealRawData(BodyData):
    """SURREAL's clips as published (``root`` holds train, val and test); every ``stride``-th frame counts."""

    corpus: Literal["surreal_raw"]
    joint_map: Literal["anatomical", "tllib"]
    stride: PositiveInt


class LspData(BodyData):
    """Leeds Sports Pose; ``all`` trains and tests on the same 2000 photos, as the literature does.

    ``development`` is for choices made by labels: it tests on the last 300 of the official training photos,
    and opens no official test photo.
    """

    corpus: Literal["lsp"]
    split: Literal["official", "all", "development"]


class Human36mData(BodyData):
    """Human3.6M; every ``stride``-th picture counts (5 in the literature).

    The test pictures are 3200 seeded draws with replacement: ``literature`` takes one drawn twice twice,
    ``distinct`` takes it once.
    """

    corpus: Literal["human36m"]
    stride: PositiveInt
    test_draw: Literal["distinct", "literature"]
    seed: NonNegativeInt


class CocoData(CorpusData):
    """Keypoint json files in COCO's layout: the way to bring labelled data of one's own.

    ``annotations`` names a json file (below ``root``) for each split, ``images`` the folder of each;
    ``keypoints`` maps names of the skeleton to names in the file, a list of names meaning their mean.
    """

    corpus: Literal["coco"]
    annotations: dict[Literal["train", "val", "test"], Path]
    images: dict[Literal["train", "val", "test"], Path]
    keypoints: dict[str, str | tuple[str, ...]]
    crop_scale: PositiveFloat


class FolderData(CorpusData):
    """Unlabelled images anywhere below ``root``; a seeded share of them is kept for testing."""

    corpus: Literal["folder"]
    test_fraction: Fraction
    seed: NonNegativeInt


class RhdData(HandData):
    """Rendered Hand Pose; ``root`` holds ``RHD_published_v2``."""

    corpus: Literal["rhd"]


class FreihandData(HandData):
    """FreiHAND, every pose with four backgrounds; a seeded share of it is kept for testing.

    ``by_pose`` keeps the backgrounds of a pose together; ``literature`` has most test poses in training too.
    """

    corpus: Literal["freihand"]
    split: Literal["by_pose", "literature"]
    seed: NonNegativeInt


class H3dData(HandData):
    """Hand-3D-Studio; ``root`` holds ``H3D_crop``. A seeded share of the frames is kept for testing.

    ``hands`` are those that hold no object (``free``, as in the literature), those that do, or all.
    """

    corpus: Literal["h3d"]
    hands: Literal["free", "holding", "all"]
    seed: NonNegativeInt


Corpus = Annotated[
    FiguresData
    | SurrealData
    | SurrealRawData
    | LspData
    | Human36mData
    | RhdData
    | FreihandData
    | H3dData
    | CocoData
    | FolderData,
    Field(discriminator="corpus"),
]


class DataParams(Settings):
    """Skeleton, size and the two domains. Stored images are squares of ``image_size`` pixels."""

    skeleton: SkeletonName
    image_size: Annotated[int, Field(ge=32, le=1024, multiple_of=32)]
    source: Corpus
    target: Corpus

    @model_validator(mode="after")
    def _corpora_have_the_skeleton(self) -> Self:
        for domain, corpus in (("source", self.source), ("target", self.target)):
            if corpus.labelled_as not in (None, self.skeleton):
                raise ValueError(
                    f"{domain}: corpus {corpus.corpus} is labelled with {corpus.labelled_as}, "
                    f"not with skeleton = {self.skeleton}"
                )
        return self


class IngestParams(Settings):
    """Above this share of rejected inputs the stage fails."""

    max_rejected_fraction: Fraction
    jpeg_quality: Annotated[int, Field(ge=1, le=100)]
