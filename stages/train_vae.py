"""Train the pose VAE on the source's training poses (P1 2.1)."""

import argparse

import pyarrow.compute as pc

from actupose.errors import UserError
from actupose.layout import NORMALISED, PARAMS, VAE
from actupose.params import load_params
from actupose.progress import progress
from actupose.scoring.pose_score import pose_tensors, save_vae, train_vae
from actupose.skeleton import SKELETONS
from actupose.tables import normalised_schema, read_table
from stages._entry import run_stage


def main() -> None:
    """Normalised source poses of split train -> models/vae."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    params = load_params(PARAMS)
    path = NORMALISED / "source.parquet"
    table = read_table(path, normalised_schema(len(SKELETONS[params.data.skeleton])))
    poses, visible = pose_tensors(table.filter(pc.equal(table.column("split"), "train")))
    if len(poses) == 0:
        raise UserError(f"{path}: no training pose; the source needs labelled samples in split train")
    with progress("pose VAE", params.vae.epochs) as advance:
        vae, history = train_vae(poses, visible, params.vae, advance)
    save_vae(VAE, vae, params.vae, history)
    last = history[-1]
    print(f"{VAE}: {len(poses)} poses, reconstruction {last['reconstruction']:.3f}, KL {last['kl']:.2f}")


if __name__ == "__main__":
    run_stage(main)
