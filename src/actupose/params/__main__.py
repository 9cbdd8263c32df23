"""Print the JSON schema of the settings, or the settings of a preset with the origin of what it changes.

    python -m actupose.params                                           # the schema
    python -m actupose.params --preset surreal2lsp                      # the base with the preset on top
    python -m actupose.params --preset mine.yaml --set schedule.epochs=3

Values without an origin are the base's. A preset is the name of a file in presets/, or a path.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from copy import deepcopy

from actupose.errors import UserError
from actupose.params import Params, check_params
from actupose.params.origins import annotated_lines, changed_keys
from actupose.params.overlay import apply_setting, base_tree, starting_tree


def merged_settings(preset: str | None, settings: Sequence[str]) -> str:
    """YAML of the checked settings of a run, each value that is not the base's with its origin.

    Raises:
        UserError: no such preset, an unknown key, a bad value.
    """
    tree, path = starting_tree(preset)
    origins = dict.fromkeys(changed_keys(base_tree(), tree), f"from {path}")
    final = deepcopy(tree)
    for setting in settings:
        apply_setting(final, setting)
    origins |= dict.fromkeys(changed_keys(tree, final), "--set")
    check_params(final, " + ".join([str(path), *settings]))
    return "\n".join(annotated_lines(final, origins))


def main() -> int:
    """Read the command line and print."""
    parser = argparse.ArgumentParser(
        prog="python -m actupose.params",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--preset", metavar="NAME|PATH", help="the settings of this preset")
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        nargs="+",
        action="extend",
        default=[],
        dest="settings",
        help="on top of the preset (of params.yaml, if none is named)",
    )
    arguments = parser.parse_args()
    if arguments.preset is None and not arguments.settings:
        print(json.dumps(Params.model_json_schema(), indent=2))
        return 0
    try:
        print(merged_settings(arguments.preset, arguments.settings))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
