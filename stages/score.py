"""Score poses with the VAE and sort them into bins (P1 2.2, P2 3.1.1).

Of the source the training samples are scored: the curriculum draws from them. Of the target the labelled test
samples are scored, to bin the evaluation; a target without labels gives empty tables.
"""

import argparse

import pyarrow.compute as pc

from actupose.methods.pose_score import bin_tables, load_vae, pose_tensors, score_poses
from actupose.params import load_params
from actupose.skeleton import SKELETONS
from actupose.tables import BINS, SCORES, normalised_schema, read_table, write_table
from stages import _paths
from stages._entry import run_stage

SCORED_SPLIT = {"source": "train", "target": "test"}


def main() -> None:
    """Normalised poses and the VAE -> data/bins/<domain>."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("domain", choices=SCORED_SPLIT, help="whose poses")
    domain = parser.parse_args().domain
    params = load_params(_paths.PARAMS)
    skeleton = SKELETONS[params.data.skeleton]
    table = read_table(_paths.NORMALISED / f"{domain}.parquet", normalised_schema(len(skeleton)))
    table = table.filter(pc.equal(table.column("split"), SCORED_SPLIT[domain]))
    scores = score_poses(load_vae(_paths.VAE), *pose_tensors(table))
    ranked, bins = bin_tables(table, scores, params.curriculum.num_bins, skeleton)
    folder = _paths.BINS / domain
    write_table(folder / "scores.parquet", ranked, SCORES)
    write_table(folder / "bins.parquet", bins, BINS)
    print(f"{folder}: {len(ranked)} poses in {len(bins)} bins")


if __name__ == "__main__":
    run_stage(main)
