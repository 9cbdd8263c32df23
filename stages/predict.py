"""Predict with one trained run on all images of the target, and on the source's test images."""

from actupose.evaluation.predict import predict
from actupose.layout import INGESTED, PREDICTIONS, RUNS
from actupose.skeleton import SKELETONS
from actupose.tables import model_predictions_schema, write_table
from stages._entry import run_stage
from stages._run_arguments import read_run_arguments


def main() -> None:
    """runs/<method>-<seed> -> data/predictions/<method>-<seed>.parquet."""
    args = read_run_arguments(__doc__)
    table = predict(args.params, INGESTED, RUNS / args.name)
    path = PREDICTIONS / f"{args.name}.parquet"
    write_table(path, table, model_predictions_schema(len(SKELETONS[args.params.data.skeleton])))
    print(f"{path}: {len(table)} images")


if __name__ == "__main__":
    run_stage(main)
