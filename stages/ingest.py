"""Read one domain's corpus into samples.parquet, images.arrow and rejected.parquet."""

import argparse
from collections import Counter

from actupose.data.ingest import ingest
from actupose.layout import INGESTED, PARAMS
from actupose.params import load_params
from actupose.skeleton import SKELETONS
from actupose.tables import REJECTED, SPLITS, read_table, samples_schema
from stages._entry import run_stage


def main() -> None:
    """Ingest the domain named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m stages.ingest", description=__doc__)
    parser.add_argument("domain", choices=["source", "target"], help="which of data.source and data.target")
    domain = parser.parse_args().domain
    params = load_params(PARAMS)
    out = INGESTED / domain
    ingest(params.data, domain, params.ingest, out)

    schema = samples_schema(len(SKELETONS[params.data.skeleton]))
    splits = Counter(read_table(out / "samples.parquet", schema, ["split"]).column("split").to_pylist())
    rejected = read_table(out / "rejected.parquet", REJECTED).num_rows
    counts = ", ".join(f"{split} {splits[split]}" for split in SPLITS)
    print(f"{out}: {counts}, rejected {rejected}")


if __name__ == "__main__":
    run_stage(main)
