"""The services of docker/compose.yaml as plain data."""

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docker"
NAMED = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


def read_compose() -> dict[str, Any]:
    return yaml.safe_load((FOLDER / "compose.yaml").read_text())


def read_services() -> dict[str, dict[str, Any]]:
    return read_compose()["services"]


def builds(service: dict[str, Any]) -> bool:
    """True for the project's own images, false for other people's."""
    return "build" in service


def one_shots() -> set[str]:
    """Services that others wait for to have ended."""
    return {
        name
        for service in read_services().values()
        for name, wanted in service.get("depends_on", {}).items()
        if wanted["condition"] == "service_completed_successfully"
    }
