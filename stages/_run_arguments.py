"""What the stages of one run are told on the command line."""

import argparse
from dataclasses import dataclass

from actupose.errors import UserError
from actupose.layout import PARAMS
from actupose.params import Params, load_params


@dataclass(frozen=True)
class RunArguments:
    """One method with one seed, and the settings they are part of."""

    params: Params
    method: str
    seed: int

    @property
    def name(self) -> str:
        """Name of the run in every folder that holds runs."""
        return f"{self.method}-{self.seed}"


def read_run_arguments(description: str | None) -> RunArguments:
    """Read METHOD and SEED from the command line, and params.yaml.

    Raises:
        UserError: the params are wrong or have no such method.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("method", help="an entry of params.yaml's methods")
    parser.add_argument("seed", type=int)
    args = parser.parse_args()
    params = load_params(PARAMS)
    if args.method not in params.methods:
        raise UserError(f"{PARAMS}: methods: no entry {args.method!r}; there are {', '.join(params.methods)}")
    return RunArguments(params, args.method, args.seed)
