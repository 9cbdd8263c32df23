"""Close the loop on the built-in figures: one source with wanted poses added, one with as many at random.

    python benchmarks/wanted_loop.py evaluations/actupose-0 --output /data/loop

The present folder is a finished project whose source are figures. The folder named holds wanted.parquet: that
of a run's evaluation, or what `actupose wanted` wrote with a limit of its own. Many poses are sampled, as the
source might have been. Some of those that are alike to a wanted pose are taken, in proportion to the
wanted poses' deficits, and rendered; so are as many at random. Each set is added to the present source,
written as COCO folders in which all else is the same files byte by byte, with a preset that keeps the
project's other settings. Nothing is trained: the commands that train are printed. Each replaces the runs of
the project in which it is called: call it in a copy.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor

from actupose.core.coverage import bone_directions, pose_similarity
from actupose.core.rng import generator
from actupose.data.corpora.pictures import encode_jpeg
from actupose.data.figures import place_keypoints, render_figures
from actupose.data.figures.batch import CHUNK
from actupose.data.image_store import ImageStore
from actupose.errors import UserError
from actupose.inference.people import People
from actupose.inference.results import write_coco
from actupose.layout import INGESTED, PARAMS
from actupose.params import FiguresData, Params, load_params
from actupose.params.overlay import base_tree, merges
from actupose.skeleton import SKELETONS, Skeleton
from actupose.tables import (
    keypoint_values,
    list_values,
    read_table,
    samples_schema,
    table_metadata,
    wanted_schema,
)

STREAM = "wanted"  # of figures that no source has


@dataclass(frozen=True)
class Figures:
    """Pictures of one person each, with keypoints (N, K, 2) in their pixels and visible (N, K)."""

    names: list[str]
    encoded: list[bytes]
    keypoints: np.ndarray
    visible: np.ndarray


@dataclass(frozen=True)
class Sampler:
    """Figures that the source could have drawn too, by index."""

    settings: FiguresData
    side: int
    skeleton: Skeleton
    jpeg_quality: int

    @classmethod
    def of(cls, params: Params) -> "Sampler":
        """That of a project's source."""
        source = params.data.source
        if not isinstance(source, FiguresData):
            raise UserError(f"data.source.corpus = {source.corpus}: this needs figures")
        skeleton = SKELETONS[params.data.skeleton]
        return cls(source, params.data.image_size, skeleton, params.ingest.jpeg_quality)

    def keypoints(self, count: int) -> Tensor:
        """Keypoints (count, K, 2) of the first figures, hidden ones too; nothing is drawn."""
        mix, name = self.settings.pose_mix, self.skeleton.name
        found = place_keypoints(self.settings.seed, STREAM, range(count), mix, self.side, name)
        return torch.from_numpy(found)

    def render(self, indices: Sequence[int]) -> Figures:
        """Draw the figures at ascending indices."""
        parts = [self._render_chunk(list(part)) for _, part in groupby(indices, lambda index: index // CHUNK)]
        encoded, keypoints, visible = zip(*parts, strict=True)
        return Figures(
            [f"added-{index:06d}.jpg" for index in indices],
            [one for part in encoded for one in part],
            np.concatenate(keypoints),
            np.concatenate(visible),
        )

    def _render_chunk(self, indices: list[int]) -> tuple[list[bytes], np.ndarray, np.ndarray]:
        first, settings = indices[0], self.settings
        whole = range(first, indices[-1] + 1)
        batch = render_figures(
            settings.seed, STREAM, whole, settings.look, settings.pose_mix, self.side, self.skeleton.name
        )
        rows = [index - first for index in indices]
        encoded = [encode_jpeg(batch.images[row], self.jpeg_quality) for row in rows]
        return encoded, batch.keypoints[rows], batch.visible[rows]


def wanted_indices(
    sampler: Sampler, folder: Path, alike_from: float | None, sampled: int, count: int
) -> list[int]:
    """Draw ``count`` of the sampled figures that are alike to wanted poses, after the poses' deficits."""
    path = folder / "wanted.parquet"
    table = read_table(path, wanted_schema(len(sampler.skeleton)))
    limit = float(table_metadata(table)["alike"]) if alike_from is None else alike_from
    prototypes, candidates = (
        bone_directions(poses, torch.ones(poses.shape[:2], dtype=torch.bool), sampler.skeleton.bones)
        for poses in (torch.from_numpy(keypoint_values(table, "pose")), sampler.keypoints(sampled))
    )
    alike = pose_similarity(prototypes, candidates) >= limit
    weights = weights_of(alike, torch.from_numpy(table.column("deficit").to_numpy().copy()))
    usable = int((weights > 0).sum())
    served = int(alike.any(1).sum())
    print(f"{path}: {usable} of {sampled} sampled figures are alike to {served} of {len(table)} wanted poses")
    if usable < count:
        raise UserError(
            f"{usable} sampled figures are alike to a wanted pose, {count} are to be added; raise --sampled, "
            f"or lower --alike, here or of actupose wanted (it was {limit:g})"
        )
    drawn = torch.multinomial(weights, count, generator=generator(sampler.settings.seed, "wanted loop"))
    indices: list[int] = drawn.sort().values.tolist()
    return indices


def weights_of(alike: Tensor, deficits: Tensor) -> Tensor:
    """Weights (N,) of candidates, from (P, N) alike: each wanted pose shares its deficit among its own."""
    return (deficits[:, None] * alike / alike.sum(1, keepdim=True).clamp(min=1)).sum(0)


def stored_figures(split: str, num_keypoints: int) -> Figures:
    """A split of the present source as ingest has stored it."""
    samples = read_table(INGESTED / "source" / "samples.parquet", samples_schema(num_keypoints))
    samples = samples.filter(np.array(samples.column("split").to_pylist()) == split)
    store = ImageStore(INGESTED / "source" / "images.arrow")
    return Figures(
        [f"{number:06d}.jpg" for number in range(len(samples))],
        [bytes(store.encoded(row)) for row in samples.column("image_row").to_pylist()],
        keypoint_values(samples, "keypoints"),
        list_values(samples, "visible"),
    )


def write_source(folder: Path, added: Figures, skeleton: Skeleton, side: int) -> dict[str, Any]:
    """Write the present source with more training figures as COCO folders; returns ``data.source``."""
    splits = {split: [stored_figures(split, len(skeleton))] for split in ("train", "val", "test")}
    splits["train"].append(added)
    held = {split: parts for split, parts in splits.items() if any(part.names for part in parts)}
    for split, parts in held.items():
        images = folder / "images" / split
        images.mkdir(parents=True)
        for part in parts:
            for name, encoded in zip(part.names, part.encoded, strict=True):
                (images / name).write_bytes(encoded)
        people = [person for part in parts for person in _people(part, side)]
        write_coco(folder / f"{split}.json", people, skeleton, min_confidence=0.5)
    return {
        "corpus": "coco",
        "root": str(folder.resolve()),
        "annotations": {split: f"{split}.json" for split in held},
        "images": {split: f"images/{split}" for split in held},
        "keypoints": {name: name for name in skeleton.keypoints},
        "crop_scale": 1.0,  # of a box that is the picture: nothing is cut, and files are stored as they are
    }


def _people(figures: Figures, side: int) -> Iterator[People]:
    """One person a picture; what is not visible is of no confidence, and so flagged as hidden."""
    box = np.array([[0.0, 0.0, side, side]])
    for name, keypoints, visible in zip(figures.names, figures.keypoints, figures.visible, strict=True):
        yield People(name, 0, (side, side), box, keypoints[None], visible[None].astype(np.float32))


def write_preset(path: Path, params: Params, source: dict[str, Any]) -> None:
    """Write what the project's settings change of the base, with another source and experiment."""
    tree = params.model_dump(mode="json")
    tree["data"]["source"] = source
    tree["tracking"]["experiment"] += f"-{path.stem}"
    path.write_text(yaml.safe_dump(changes(base_tree(), tree), sort_keys=False))


def changes(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """The overlay that makes the tree above of that below."""
    changed = {}
    for key, value in above.items():
        if merges(below.get(key), value):
            if inner := changes(below[key], value):
                changed[key] = inner
        elif key not in below or below[key] != value:
            changed[key] = value
    return changed


def close_loop(folder: Path, output: Path, alike_from: float | None, sampled: int, count: int) -> None:
    """Write both sources and presets, and print the commands."""
    if output.exists():
        raise UserError(f"{output}: is there already; name another folder with --output")
    if not 0 < count <= sampled:
        raise UserError(f"--count {count}: at least 1, and at most --sampled {sampled}")
    params = load_params(PARAMS)
    sampler = Sampler.of(params)
    wanted = wanted_indices(sampler, folder, alike_from, sampled, count)
    chosen = {"wanted": wanted, "random": list(range(count))}
    for name, indices in chosen.items():
        source = write_source(output / name, sampler.render(indices), sampler.skeleton, sampler.side)
        write_preset(output / f"{name}.yaml", params, source)
    for name in chosen:
        print(f"python -m pipelines.run --preset {(output / f'{name}.yaml').resolve()}")


def main() -> int:
    """Read the command line; 2 where it or the project is at fault."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("wanted", type=Path, help="folder that holds wanted.parquet")
    parser.add_argument("--output", type=Path, default=Path("wanted_loop"), help="default: %(default)s")
    parser.add_argument("--alike", type=float, help="mean cosine of alike poses; default: that of the search")
    parser.add_argument("--sampled", type=int, default=20_000, help="poses to choose from")
    parser.add_argument("--count", type=int, default=500, help="figures that each source gets more")
    args = parser.parse_args()
    try:
        close_loop(args.wanted, args.output, args.alike, args.sampled, args.count)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
