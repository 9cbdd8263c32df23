"""Normalise one domain's labelled poses for the pose VAE."""

import argparse
from collections import Counter

from actupose.data.normalise import normalise
from actupose.layout import INGESTED, NORMALISED, PARAMS
from actupose.params import load_params
from actupose.skeleton import SKELETONS
from actupose.tables import REJECTED, SPLITS, normalised_schema, read_table, samples_schema, write_table
from stages._entry import run_stage


def main() -> None:
    """Normalise the domain named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m stages.normalise", description=__doc__)
    parser.add_argument("domain", choices=["source", "target"], help="which of data.source and data.target")
    domain = parser.parse_args().domain
    skeleton = SKELETONS[load_params(PARAMS).data.skeleton]
    samples = read_table(INGESTED / domain / "samples.parquet", samples_schema(len(skeleton)))
    poses, rejected = normalise(samples, domain, skeleton)

    path = NORMALISED / f"{domain}.parquet"
    write_table(path, poses, normalised_schema(len(skeleton)))
    write_table(NORMALISED / f"{domain}_rejected.parquet", rejected, REJECTED)
    splits = Counter(poses.column("split").to_pylist())
    counts = ", ".join(f"{split} {splits[split]}" for split in SPLITS)
    print(f"{path}: {counts}, rejected {rejected.num_rows}")


if __name__ == "__main__":
    run_stage(main)
