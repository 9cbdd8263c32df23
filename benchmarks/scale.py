"""Score and bin as many poses as SURREAL has frames, read a large image store, ingest a large folder.

    python benchmarks/scale.py --poses 6000000 --images 500000 --files 100000

Every part runs in a process of its own on two threads, so that its peak of memory is its own. Data are drawn
here, below --folder, and deleted afterwards.
"""

import argparse
import hashlib
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import torch
from random_domain import jpegs, write_domain

from actupose.data.dataset import Domain
from actupose.data.image_store import ImageStore
from actupose.data.ingest import ingest
from actupose.nets.pose_vae import build_vae
from actupose.params import FolderData, load_params
from actupose.scoring.pose_bins import SplitPoses, bin_tables, score_split
from actupose.skeleton import BODY16
from actupose.tables import BINS, SCORES, make_table, normalised_schema, write_table

NUM_BINS = 25
CHUNK = 65536
BATCH = 32
WORKERS = 2


Figures = dict[str, Any]
Make = Callable[[Path, argparse.Namespace], None]
Measure = Callable[[Path, argparse.Namespace], Figures]


def write_poses(folder: Path, sizes: argparse.Namespace) -> None:
    """A normalised table of random poses."""
    random, count, schema = np.random.default_rng(0), sizes.poses, normalised_schema(len(BODY16))
    with pq.ParquetWriter(folder / "poses.parquet", schema, compression="zstd") as writer:
        for first in range(0, count, CHUNK):
            rows = min(CHUNK, count - first)
            columns = {
                "sample_id": [f"run0/frame_{i:08d}.jpg" for i in range(first, first + rows)],
                "split": ["train"] * rows,
                "pose": random.normal(size=(rows, len(BODY16), 2)).astype(np.float32),
                "visible": random.random((rows, len(BODY16))) < 0.9,
                "center": random.random((rows, 2)).astype(np.float32),
                "scale": random.random(rows).astype(np.float32),
            }
            writer.write_table(make_table(schema, columns))


def score(folder: Path, sizes: argparse.Namespace) -> Figures:
    """The work of the score stage."""
    vae = build_vae(len(BODY16), load_params(Path("params.yaml")).vae).eval()
    poses = SplitPoses(folder / "poses.parquet", "train", BODY16)
    names, scores = score_split(vae, poses)
    ranked, bins = bin_tables(names, scores, poses, NUM_BINS)
    write_table(folder / "scores.parquet", ranked, SCORES)
    write_table(folder / "bins.parquet", bins, BINS)
    assert len(ranked) == sizes.poses
    with (folder / "scores.parquet").open("rb") as file:
        return {"sha256": hashlib.file_digest(file, "sha256").hexdigest()[:16]}


def write_store(folder: Path, sizes: argparse.Namespace) -> None:
    """An image store and the samples it belongs to."""
    write_domain(folder, {"train": sizes.images}, sizes.side, BODY16)


def read_store(folder: Path, sizes: argparse.Namespace) -> Figures:
    """Time to open, of random batches against decoding the same bytes from a list, and through workers."""
    began = time.perf_counter()
    store = ImageStore(folder / "images.arrow")
    opened = time.perf_counter() - began
    rows = np.random.default_rng(1).integers(0, sizes.images, (200, BATCH)).tolist()
    in_memory = [np.frombuffer(bytes(store.encoded(row)), np.uint8) for batch in rows for row in batch]
    stored = _seconds(lambda: deque((store.decode(row) for batch in rows for row in batch), maxlen=0))
    decoded = (cv2.imdecode(image, cv2.IMREAD_COLOR_RGB) for image in in_memory)
    bare = _seconds(lambda: deque(decoded, maxlen=0))
    images = Domain(folder, BODY16, labels=False).images("train")
    deque(images.batches(torch.tensor(rows[:10]), WORKERS), maxlen=0)  # they start
    loaded = _seconds(lambda: deque(images.batches(torch.tensor(rows), WORKERS), maxlen=0))
    return {
        "open_s": opened,
        "images_per_s": len(in_memory) / stored,
        "of_bare_decoding": stored / bare,
        "images_per_s_by_workers": len(in_memory) / loaded,
    }


def write_folder(folder: Path, sizes: argparse.Namespace) -> None:
    """A folder of pictures."""
    (folder / "photos").mkdir()
    for number, picture in enumerate(jpegs(sizes.files, sizes.side)):
        (folder / "photos" / f"{number:06d}.jpg").write_bytes(picture)


def ingest_folder(folder: Path, sizes: argparse.Namespace) -> Figures:
    """The ingest stage against two threads that do nothing but decode the same files."""
    params = load_params(Path("params.yaml"))
    photos = FolderData(corpus="folder", root=folder / "photos", test_fraction=0.1, seed=0)
    data = params.data.model_copy(update={"target": photos, "image_size": sizes.side})
    whole = _seconds(lambda: ingest(data, "target", params.ingest, folder / "ingested"))
    paths = sorted(map(str, photos.root.iterdir()))
    with ThreadPoolExecutor(2) as pool:  # a half each: handing over one by one takes as long as decoding
        bare = _seconds(lambda: list(pool.map(_decode_all, (paths[::2], paths[1::2]))))
    return {"images_per_s": sizes.files / whole, "of_bare_decoding": whole / bare}


def _decode_all(paths: list[str]) -> None:
    deque(map(cv2.imread, paths), maxlen=0)


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


PARTS: dict[str, tuple[Make, Measure]] = {
    "score": (write_poses, score),
    "store": (write_store, read_store),
    "ingest": (write_folder, ingest_folder),
}


def run_part(sizes: argparse.Namespace) -> None:
    """Print what one part took, as JSON; the parent has made its data."""
    torch.set_num_threads(2)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    figures = PARTS[sizes.part][1](sizes.folder, sizes)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    figures |= {"seconds": seconds, "peak_gb": peak / 1e6, "of_imports_gb": before / 1e6}
    print(json.dumps(figures))


def run_parts(sizes: argparse.Namespace) -> None:
    """Make the data of each part and run it twice, in processes of its own."""
    folder = Path(tempfile.mkdtemp(dir=sizes.folder))
    try:
        for name, (make, _) in PARTS.items():
            make(folder, sizes)
            part = [sys.executable, *sys.argv, "--part", name, "--folder", str(folder)]
            for _ in range(2):
                done = subprocess.run(part, capture_output=True, text=True, check=True)
                print(f"{name}: {done.stdout.strip()}", flush=True)
    finally:
        shutil.rmtree(folder)


def main() -> None:
    """Run all parts, or the one that a parent asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--poses", type=int, default=6_000_000)
    parser.add_argument("--images", type=int, default=500_000)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--side", type=int, default=64, help="of images and files, pixels")
    parser.add_argument("--folder", type=Path, help="where data are drawn; default: the temporary folder")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    sizes = parser.parse_args()
    if sizes.part:
        run_part(sizes)
    else:
        run_parts(sizes)


if __name__ == "__main__":
    main()
