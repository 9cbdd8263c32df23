"""Where every stage writes, relative to the project's root (DVC runs stages there)."""

from pathlib import Path

PARAMS = Path("params.yaml")
PIPELINE = Path("dvc.yaml")
INGESTED = Path("data/ingested")  # {source,target}/samples.parquet, images.arrow, rejected.parquet
NORMALISED = Path("data/normalised")  # {source,target}.parquet
VAE = Path("models/vae")
STYLE = Path("models/style")
BINS = Path("data/bins")  # {source,target}/scores.parquet, bins.parquet
RUNS = Path("runs")  # <method>-<seed>/
PREDICTIONS = Path("data/predictions")  # <method>-<seed>.parquet; `actupose predict` writes predictions/
EVALUATIONS = Path("evaluations")  # <method>-<seed>/
REPORTS = Path("reports")
PRETRAINED = "ACTUPOSE_PRETRAINED"  # environment: where runs share pretrainings, if not in .state/pretrained
STATE = Path(".state")  # checkpoints, MLflow's local store, logs: never in git or DVC
