import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LIBRARY = ROOT / "src" / "actupose"
TOOLS = {"dvc", "mlflow", "prefect"}
GROUND = sorted(LIBRARY.glob("*.py")) + sorted((LIBRARY / "params").glob("*.py"))
# What a room may import; everything may import the ground.
ROOMS = {
    "core": set(),
    "data": {"core"},
    "nets": {"core"},
    "scoring": {"core", "data", "nets"},
    "methods": {"core", "data", "nets"},
    "training": {"core", "data", "nets", "scoring", "methods"},
    "evaluation": {"core", "data", "nets", "scoring", "methods", "training"},
    "inference": {"core", "data", "nets"},
    "report": {"core", "data", "nets", "scoring", "methods", "training", "evaluation"},
    "wanted": {"core", "nets", "scoring", "evaluation", "inference", "report"},
}


def imported_modules(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            modules |= {f"{node.module}.{alias.name}" for alias in node.names}
    return modules


def files_below(folder: Path) -> list[Path]:
    found = sorted(folder.rglob("*.py"))
    assert found, folder
    return found


def rooms_of(modules: set[str]) -> set[str]:
    parts = [module.split(".") for module in modules]
    return {part[1] for part in parts if part[0] == "actupose" and len(part) > 1 and part[1] in ROOMS}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_rooms_below_it(room: str) -> None:
    for path in files_below(LIBRARY / room):
        assert rooms_of(imported_modules(path)) <= ROOMS[room] | {room}, path


def test_every_room_is_listed() -> None:
    assert {path.parent.name for path in LIBRARY.glob("*/__init__.py")} == {"params", *ROOMS}


def test_the_ground_imports_no_room() -> None:
    for path in GROUND:
        assert not rooms_of(imported_modules(path)), path


def test_the_library_knows_no_pipeline_tool() -> None:
    for path in files_below(LIBRARY):
        tops = {module.split(".")[0] for module in imported_modules(path)}
        assert not tops & (TOOLS | {"stages", "tracking", "pipelines"}), path


def test_stages_do_not_know_the_pipelines() -> None:
    for path in files_below(ROOT / "stages"):
        tops = {module.split(".")[0] for module in imported_modules(path)}
        assert not tops & {"dvc", "prefect", "pipelines"}, path


def test_tracking_does_not_know_who_is_tracked() -> None:
    for path in files_below(ROOT / "tracking"):
        tops = {module.split(".")[0] for module in imported_modules(path)}
        assert not tops & {"dvc", "prefect", "stages", "pipelines"}, path


def test_only_the_tracking_room_knows_mlflow() -> None:
    for path in files_below(ROOT / "stages") + files_below(ROOT / "pipelines"):
        if path.parent.name != "tracking":
            assert "mlflow" not in {module.split(".")[0] for module in imported_modules(path)}, path


APART = ("helpers", "bad_inputs", "docker")  # about no single module


def mirrored(test: Path) -> bool:
    """Whether a module or a folder lies where the test does, whose name the test bears or begins with."""
    room = test.parent.relative_to(ROOT / "tests")
    rooms = [ROOT / room, LIBRARY / room]
    here = {path.stem.strip("_") for place in rooms for path in place.glob("*") if path.suffix in ("", ".py")}
    name = test.stem.removeprefix("test_")
    return any(name == one or name.startswith(f"{one}_") for one in here | {room.name})


def test_the_test_of_a_module_is_found_by_its_path() -> None:
    tests = files_below(ROOT / "tests")
    rooms = [path.relative_to(ROOT / "tests").parts for path in tests]
    inside = [
        test for test, parts in zip(tests, rooms, strict=True) if len(parts) > 1 and parts[0] not in APART
    ]
    named = [test for test in inside if test.name.startswith("test_")]
    assert len(named) > 100
    assert [test for test in named if not mirrored(test)] == []
