"""Spoilt corpora for every reader: each must be read, listed as rejected, or told in one line.

    python benchmarks/fuzz_readers.py --seconds 300

Whatever else happens (a traceback, a warning, a signal, a hang, a damaged table) is a crash and is printed
with its seed; ``--reader coco --seed 17 --seconds 0`` does that one again.
"""

import argparse
import multiprocessing
import os
import random
import resource
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

from spoiling import SPOILERS, spoil_bytes, spoil_name
from tiny_corpora import TINY_CORPORA

from actupose.data.image_store import ImageStore
from actupose.data.ingest import ingest
from actupose.errors import UserError, one_line
from actupose.params import Corpus, DataParams, IngestParams
from actupose.skeleton import SKELETONS
from actupose.tables import REJECTED, keypoint_values, list_values, read_table, samples_schema

SIDE = 64
PATIENCE = 30  # seconds for a corpus that is read in a fraction of one
MEMORY = 8 << 30
OUTCOMES = ("stored", "rejected", "told", "crash")


def write_good(reader: str, folder: Path) -> Corpus:
    """A corpus that is read without fault, which imports what its reader needs; returns its settings."""
    settings: Corpus = TINY_CORPORA[reader](folder / reader)
    assert read(settings, folder / f"{reader} stored") == "stored"
    if reader == "lsp":
        for number in range(11, 1991):  # 20 photos are enough
            (folder / f"lsp/images/im{number:04d}.jpg").unlink()
    return settings


def spoil(root: Path, draw: random.Random) -> None:
    """Spoil up to three files, label files most often, each once: a spoilt one may harm who reads it."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    labels = [path for path in files if path.suffix in SPOILERS] or files
    chosen = {draw.choice(labels if draw.random() < 0.7 else files) for _ in range(draw.choice((1, 1, 2, 3)))}
    for path in sorted(chosen):
        by_value = SPOILERS.get(path.suffix, spoil_bytes)
        spoiler = draw.choices((by_value, spoil_bytes, spoil_name), (6, 2, 1))[0]
        try:
            spoiler(path, draw)
        except (TypeError, ValueError):  # a changed value that this kind of file cannot hold
            spoil_bytes(path, draw)


def read(settings: Corpus, out: Path) -> str:
    """Ingest a corpus with every tolerance and look at what was written."""
    skeleton = settings.labelled_as or "body16"
    data = DataParams(skeleton=skeleton, image_size=SIDE, source=settings, target=settings)
    try:
        ingest(data, "source", IngestParams(max_rejected_fraction=1.0, jpeg_quality=90), out)
    except UserError as error:
        assert str(error) == one_line(str(error))
        return "told"
    return check(out, len(SKELETONS[skeleton]))


def check(out: Path, num_keypoints: int) -> str:
    """Assert that samples have their own ids, pictures that decode, and places for what is visible."""
    samples = read_table(out / "samples.parquet", samples_schema(num_keypoints))
    ids = samples.column("sample_id").to_pylist()
    assert len(set(ids)) == len(ids), "a sample id is in the table twice"
    assert np.isfinite(keypoint_values(samples, "keypoints")[list_values(samples, "visible")]).all()
    store = ImageStore(out / "images.arrow")
    for row in samples.column("image_row").to_pylist():
        assert store.decode(row).shape == (SIDE, SIDE, 3)
    return "rejected" if read_table(out / "rejected.parquet", REJECTED).num_rows else "stored"


def attempt(settings: Corpus, out: Path, answer: Connection) -> None:
    """In a process of its own: read, and send the outcome or the traceback."""
    warnings.simplefilter("error")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # decoders chat
    try:
        answer.send((read(settings, out), ""))
    except BaseException:
        answer.send(("crash", traceback.format_exc()))


def run_once(reader: str, seed: int, good: Path, settings: Corpus) -> tuple[str, str]:
    """Spoil a copy of a good corpus and read it: outcome, and the traceback of a crash."""
    with tempfile.TemporaryDirectory() as folder:
        root, out = Path(folder, "in"), Path(folder, "out")
        shutil.copytree(good, root, copy_function=os.link)
        spoil(root, random.Random(f"{reader} {seed}"))
        ours, theirs = multiprocessing.Pipe(duplex=False)
        arguments = (settings.model_copy(update={"root": root}), out, theirs)
        process = multiprocessing.get_context("fork").Process(target=attempt, args=arguments)
        process.start()
        theirs.close()
        try:
            return ours.recv() if ours.poll(PATIENCE) else ("crash", f"no answer in {PATIENCE} seconds")
        except EOFError:
            process.join()
            return "crash", f"died with exit code {process.exitcode}"
        finally:
            process.kill()
            process.join()


def main() -> None:
    """Take the readers in turn, until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0, help="of the first round")
    parser.add_argument("--reader", choices=TINY_CORPORA, action="append", help="all where none is named")
    args = parser.parse_args()
    torch.set_num_threads(1)  # a forked process waits in vain for the threads of its parent's pool
    readers = args.reader or list(TINY_CORPORA)
    counts = {reader: Counter[str]() for reader in readers}
    end, seed = time.monotonic() + args.seconds, args.seed
    with tempfile.TemporaryDirectory() as folder:
        good = {reader: write_good(reader, Path(folder)) for reader in readers}
        while seed == args.seed or time.monotonic() < end:
            for reader in readers:
                outcome, trace = run_once(reader, seed, Path(folder, reader), good[reader])
                counts[reader][outcome] += 1
                if trace:
                    print(f"\n{reader}, seed {seed}: {trace.rstrip()}", flush=True)
            seed += 1
    print(f"{'reader':12s}" + "".join(f"{outcome:>10s}" for outcome in OUTCOMES))
    for reader, count in counts.items():
        print(f"{reader:12s}" + "".join(f"{count[outcome]:10d}" for outcome in OUTCOMES))
    sys.exit(any(count["crash"] for count in counts.values()))


if __name__ == "__main__":
    main()
