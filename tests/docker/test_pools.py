"""What the pools' workers make of docker/pools, by their own classes and without an engine or a cluster."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import pytest
import yaml
from compose_file import FOLDER, ROOT, read_compose, read_services
from docker.models.containers import _create_container_args
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect_docker.worker import DockerWorker
from prefect_kubernetes.worker import KubernetesWorker

import docker

POOLS = ("docker", "kubernetes")
RUN_COMMAND = "prefect flow-run execute"
CONTEXT = {"directory": "/workspace"}


def read_pool(name: str) -> dict[str, Any]:
    return yaml.safe_load((FOLDER / "pools" / f"{name}.yaml").read_text())


def job_variables(name: str) -> dict[str, Any]:
    return read_pool(name)["deployments"][0]["work_pool"]["job_variables"]


def configuration(worker: Any, template: dict[str, Any], variables: dict[str, Any]) -> Any:
    """What a worker of that kind makes of pool and deployment when a flow run comes."""
    nobody = PrefectClient("http://127.0.0.1:1/api")  # a server would only be asked for blocks and variables
    rendering = worker.job_configuration.from_template_and_values(template, variables, client=nobody)
    rendered = asyncio.run(rendering)
    rendered.prepare_for_flow_run(FlowRun(id=uuid4(), flow_id=uuid4(), name="first"))
    return rendered


@pytest.fixture(scope="module")
def container() -> dict[str, Any]:
    """What Docker's engine would be asked for."""
    template = DockerWorker.get_default_base_job_template()
    rendered = configuration(DockerWorker, template, job_variables("docker"))
    worker = DockerWorker(work_pool_name="docker")
    settings = worker._build_container_settings(
        docker.DockerClient("tcp://127.0.0.1:1", version="1.47"), rendered
    )
    return _create_container_args({**settings, "version": "1.47"})


@pytest.fixture(scope="module")
def job() -> dict[str, Any]:
    """What the cluster would be asked for."""
    template = json.loads((FOLDER / "pools" / "kubernetes-job.json").read_text())
    return configuration(KubernetesWorker, template, job_variables("kubernetes")).job_manifest


@pytest.mark.parametrize("name", POOLS)
def test_deployments_start_in_the_workspace_by_an_entry_point_that_exists(name: str) -> None:
    pool = read_pool(name)
    assert pool["pull"] == [{"prefect.deployments.steps.set_working_directory": CONTEXT}]
    for deployment in pool["deployments"]:
        path, _, function = deployment["entrypoint"].partition(":")
        assert f"def {function}(" in (ROOT / path).read_text()
        assert deployment["work_pool"]["name"] == name


def test_a_container_gets_gpus_memory_to_share_and_an_init(container: dict[str, Any]) -> None:
    host = container["host_config"]
    (request,) = host["DeviceRequests"]
    assert (request["Driver"], request["Count"], request["Capabilities"]) == ("nvidia", -1, [["gpu"]])
    assert host["ShmSize"] == 8 * 2**30
    assert host["Init"] is True
    assert container["command"] == RUN_COMMAND


def test_a_container_is_in_the_servers_network_and_shares_their_workspace(
    container: dict[str, Any],
) -> None:
    compose, worker = read_compose(), read_services()["worker-gpu"]
    project = compose["name"]
    assert container["image"] == worker["image"]
    assert list(container["networking_config"]) == [f"{project}_default"]
    assert container["host_config"]["Binds"][0] == f"{project}_workspace:/workspace"
    assert "workspace" in compose["volumes"]
    assert worker["environment"].items() <= container["environment"].items()


def test_a_job_gets_gpus_memory_to_share_and_time_to_save(job: dict[str, Any]) -> None:
    pod = job["spec"]["template"]["spec"]
    (only,) = pod["containers"]
    assert only["resources"] == {
        "requests": {"cpu": "8", "memory": "32Gi"},
        "limits": {"memory": "32Gi", "nvidia.com/gpu": 1},
    }
    assert pod["terminationGracePeriodSeconds"] == 60
    assert only["args"] == RUN_COMMAND.split()
    mounts = {mount["name"]: mount["mountPath"] for mount in only["volumeMounts"]}
    assert mounts == {"workspace": "/workspace", "shared-memory": "/dev/shm"}
    assert {volume["name"] for volume in pod["volumes"]} == set(mounts)


def test_a_job_that_is_evicted_is_started_again(job: dict[str, Any]) -> None:
    (only,) = job["spec"]["template"]["spec"]["containers"]
    given = {entry["name"]: entry["value"] for entry in only["env"]}
    assert job["spec"]["backoffLimit"] == 0
    assert given["PREFECT_FLOW_RUN_EXECUTE_SIGTERM_BEHAVIOR"] == "reschedule"
    assert "PREFECT__FLOW_RUN_ID" in given


def test_a_job_knows_the_servers_from_a_secret_and_is_not_root(job: dict[str, Any]) -> None:
    pod = job["spec"]["template"]["spec"]
    assert pod["containers"][0]["envFrom"] == [{"secretRef": {"name": "actupose"}}]
    user = pod["securityContext"]["runAsUser"]
    assert f"USER {user}:{user}" in (FOLDER / "Dockerfile").read_text()


def test_every_variable_of_the_job_is_declared_and_used() -> None:
    text = (FOLDER / "pools" / "kubernetes-job.json").read_text()
    declared = json.loads(text)["variables"]["properties"]
    assert all(f'"{{{{ {name} }}}}' in text for name in declared)
    assert job_variables("kubernetes").keys() <= declared.keys()
