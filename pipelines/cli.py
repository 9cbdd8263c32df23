"""The command ``actupose``: one module of this package for each of its subcommands."""

import argparse
import sys
from collections.abc import Sequence

from actupose.errors import UserError
from actupose.signals import unwind_on_signals
from pipelines import doctor, export, predict, up, wanted
from stages._entry import full_disk

COMMANDS = {"doctor": doctor, "export": export, "predict": predict, "up": up, "wanted": wanted}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the subcommand that the command line names."""
    parser = argparse.ArgumentParser(prog="actupose")
    subparsers = parser.add_subparsers(required=True, metavar="command")
    for name, module in COMMANDS.items():
        summary = (module.__doc__ or "").partition("\n")[0]
        subparser = subparsers.add_parser(name, help=summary, description=module.__doc__)
        module.add_arguments(subparser)
        subparser.set_defaults(run=module.run)
    arguments = parser.parse_args(argv)
    unwind_on_signals(once=True)
    try:
        return int(arguments.run(arguments))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (PermissionError, NotADirectoryError, IsADirectoryError) as error:
        print(f"error: {error.filename2 or error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"error: {full_disk(error)}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
