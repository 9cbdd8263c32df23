"""What the machine gives: packages, devices, room on the disk."""

import os
import platform
import re
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.filesize import decimal

from actupose.errors import UserError
from actupose.layout import STATE
from actupose.params import ComputeParams
from pipelines.checks.check import Check

_RESULTS = ("data", "models", "runs", "evaluations", "reports", ".dvc/cache")
_LEAST_FREE = 1 << 30
_SHOWN = 4


def check_packages(lock: Path) -> Check:
    """Whether what is installed is what the tests ran with."""
    python = platform.python_version()
    if not lock.exists():
        return Check(
            "packages", "warning", f"no {lock}; Python {python}", "clone again: it names the versions"
        )
    wanted = dict(re.findall(r"^([\w.-]+)==(\S+)", lock.read_text(), re.MULTILINE))
    found = {name: _installed(name) for name in wanted}
    others = [f"{name} {found[name]} (not {wanted[name]})" for name in wanted if found[name] != wanted[name]]
    tested = re.search(r"\(Python (\d+\.\d+)\)", lock.read_text())
    if tested and not python.startswith(f"{tested[1]}."):
        others.insert(0, f"Python {python} (not {tested[1]})")
    if not others:
        return Check("packages", "ok", f"Python {python} and {len(wanted)} packages as in {lock}")
    more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
    advice = f"pip install -r {lock}, if something does not work"
    return Check("packages", "warning", f"{', '.join(others[:_SHOWN])}{more}", advice)


def _installed(name: str) -> str:
    """Version without the build's own suffix (``+cpu``)."""
    try:
        return version(name).partition("+")[0]
    except PackageNotFoundError:
        return "absent"


def check_devices(compute: ComputeParams | None) -> Check:
    """What torch can compute on, and whether that is what the settings ask for."""
    from actupose.core.device import emulates_bf16, pick_device

    found = _describe_devices()
    if compute is None:
        return Check("devices", "ok", found)
    try:
        device = pick_device(compute.device)
    except UserError:
        return Check("devices", "problem", found, "compute.device: auto, or repair the driver")
    if compute.precision == "bf16-mixed" and emulates_bf16(device):
        return Check("devices", "warning", found, f"compute.precision: 32-true; {device} emulates bf16")
    return Check("devices", "ok", found)


def _describe_devices() -> str:
    import torch

    if torch.cuda.is_available():
        return "; ".join(_describe_gpu(index) for index in range(torch.cuda.device_count()))
    cpu = f"{os.cpu_count()} CPU cores, {torch.get_num_threads()} of them used"
    return f"{cpu}; torch {torch.__version__} sees no GPU"


def _describe_gpu(index: int) -> str:
    import torch

    gpu = torch.cuda.get_device_properties(index)
    with torch.cuda.device(index):
        bf16 = "with" if torch.cuda.is_bf16_supported(including_emulation=False) else "without"
    return f"{gpu.name}, {decimal(gpu.total_memory)}, {bf16} bf16"


def check_disk(place: Path) -> Check:
    """Whether there is room for the next checkpoints, beside what is there already."""
    state = place / STATE
    free = shutil.disk_usage(state if state.exists() else place).free
    results = sum(_size(file) for folder in _RESULTS for file in (place / folder).rglob("*"))
    checkpoints = [_size(file) for file in (state / "checkpoints").glob("*/*.ckpt")]
    found = f"{decimal(free)} free; results take {decimal(results)}, checkpoints {decimal(sum(checkpoints))}"
    needed = max(_LEAST_FREE, 3 * max(checkpoints, default=0))
    if free < needed:
        return Check("disk", "warning", found, f"make room: {decimal(needed)} should be free")
    return Check("disk", "ok", found)


def _size(path: Path) -> int:
    """Bytes of a file; none if it was removed just now."""
    try:
        return path.lstat().st_size
    except FileNotFoundError:
        return 0
