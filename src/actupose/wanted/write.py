"""Wanted poses as files: tables, people of a COCO keypoint file for who renders them, and a picture."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from actupose.files import atomic_path
from actupose.inference.people import People
from actupose.inference.results import write_coco
from actupose.report.plots.look import png_bytes, report_style
from actupose.report.plots.skeletons import plot_poses
from actupose.skeleton import Skeleton
from actupose.tables import WANTED_BINS, keypoint_values, wanted_schema, write_table
from actupose.wanted.find import Wanted

BINS, POSES, COCO, PICTURE = "wanted_bins.parquet", "wanted.parquet", "wanted.json", "wanted.png"
FRAME_SIDE = 256
FILL = 0.8  # of the frame's side, by the longer side of a pose


def write_wanted(folder: Path, wanted: Wanted, skeleton: Skeleton) -> list[Path]:
    """Write both tables and the COCO file; returns their paths."""
    bins, poses, coco = paths = [folder / name for name in (BINS, POSES, COCO)]
    write_table(bins, wanted.bins, WANTED_BINS)
    write_table(poses, wanted.poses, wanted_schema(len(skeleton)))
    write_coco(coco, _framed_people(wanted.poses), skeleton, min_confidence=0)
    return paths


def draw_wanted(path: Path, poses: pa.Table, skeleton: Skeleton) -> list[Path]:
    """Draw a page of the wanted poses; no file, nor one of before, where nothing is lacking."""
    if len(poses) == 0:
        path.unlink(missing_ok=True)
        return []
    ranks, deficits = (poses.column(name).to_pylist() for name in ("rank", "deficit"))
    captions = [f"{rank}: {100 * deficit:.1f} %" for rank, deficit in zip(ranks, deficits, strict=True)]
    with report_style():
        picture = png_bytes(plot_poses(keypoint_values(poses, "pose"), captions, skeleton))
    with atomic_path(path) as temporary:
        temporary.write_bytes(picture)
    return [path]


def _framed_people(poses: pa.Table) -> list[People]:
    """Every pose as one person, all keypoints visible, in the middle of a frame of its own."""
    keypoints = _in_frame(keypoint_values(poses, "pose"))
    low, high = keypoints.min(1), keypoints.max(1)
    boxes = np.concatenate([low, high - low], axis=1)
    return [
        People(
            image=f"wanted-{rank:03d}.png",
            frame=0,
            size=(FRAME_SIDE, FRAME_SIDE),
            boxes=boxes[rank : rank + 1],
            keypoints=keypoints[rank : rank + 1],
            confidence=np.ones((1, keypoints.shape[1]), np.float32),
        )
        for rank in range(len(keypoints))
    ]


def _in_frame(poses: np.ndarray) -> np.ndarray:
    """(P, K, 2) pixels of the frame, whose middle lies between the two pixels in the middle."""
    low, high = poses.min(1, keepdims=True), poses.max(1, keepdims=True)
    longer = (high - low).max(2, keepdims=True)
    return np.asarray((poses - (low + high) / 2) * (FILL * FRAME_SIDE / longer) + (FRAME_SIDE - 1) / 2)
