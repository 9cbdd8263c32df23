"""Holds every call of the library to the types and shapes in its signatures."""

from beartype import BeartypeConf, beartype
from jaxtyping import install_import_hook

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is a float, as mypy has it


def check_shapes() -> None:
    """Check the modules of these rooms that are imported from now on."""
    rooms = ("core", "methods", "nets", "scoring")
    install_import_hook([f"actupose.{room}" for room in rooms], "checked_shapes.checked")
