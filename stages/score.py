"""Score poses with the VAE and sort them into bins (P1 2.2, P2 3.1.1).

Of the source the training samples are scored: the curriculum draws from them. Of the target the labelled test
samples are scored, to bin the evaluation; a target without labels gives empty tables.
"""

import argparse

from actupose import tables
from actupose.layout import BINS, NORMALISED, PARAMS, VAE
from actupose.params import load_params
from actupose.scoring.pose_bins import SplitPoses, bin_tables, score_split
from actupose.scoring.pose_score import load_vae
from actupose.skeleton import SKELETONS
from stages._entry import run_stage

SCORED_SPLIT = {"source": "train", "target": "test"}


def main() -> None:
    """Normalised poses and the VAE -> data/bins/<domain>."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("domain", choices=SCORED_SPLIT, help="whose poses")
    domain = parser.parse_args().domain
    params = load_params(PARAMS)
    skeleton = SKELETONS[params.data.skeleton]
    poses = SplitPoses(NORMALISED / f"{domain}.parquet", SCORED_SPLIT[domain], skeleton)
    names, scores = score_split(load_vae(VAE), poses)
    ranked, bins = bin_tables(names, scores, poses, getattr(params.bins, domain))
    folder = BINS / domain
    tables.write_table(folder / "scores.parquet", ranked, tables.SCORES)
    tables.write_table(folder / "bins.parquet", bins, tables.BINS)
    print(f"{folder}: {len(ranked)} poses in {len(bins)} bins")


if __name__ == "__main__":
    run_stage(main)
