"""Workspaces of a real git and DVC repository."""

import subprocess
import sys
from pathlib import Path

import pytest
from dvc.repo import Repo

from actupose.errors import UserError
from actupose.params import load_params
from pipelines._settings import merge_settings
from pipelines.cells.shared_stages import shared_stages
from pipelines.cells.workspace import absolute_places, make_workspace, tracked_files

ROOT = Path(__file__).parents[3]
PIPELINE = """\
stages:
  prepare:
    cmd: echo ready > prepared.txt
    params: [vae.epochs]
    outs: [prepared.txt]
  train:
    matrix: {method: "${train.methods}"}
    cmd: cp prepared.txt ${item.method}.txt
    deps: [prepared.txt]
    params: ["methods.${item.method}"]
    outs:
      - ${item.method}.txt
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    for name, text in {
        "dvc.yaml": PIPELINE,
        "params.yaml": (ROOT / "params.yaml").read_text(),
        ".gitignore": "/photos/\n/.state/\n",
        "code/draw.py": "code",
        "tests/test_draw.py": "test",
        "photos/1.jpg": "image",
        "mixed/list.txt": "known",
        "dvc.lock": "schema: '2.0'\n",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    subprocess.run([sys.executable, "-m", "dvc", "init", "--quiet"], cwd=folder, check=True)
    monkeypatch.chdir(folder)
    return folder


def workspace(name: str, *settings: str) -> Path:
    folder = Path(".state/sweeps") / name
    make_workspace(folder, tracked_files(), merge_settings(None, settings)[0])
    return folder


def test_a_workspace_has_the_code_its_own_params_and_the_projects_cache(project: Path) -> None:
    made = workspace("a", "methods.actupose.curriculum.pace=7.0")
    assert load_params(made / "params.yaml").methods["actupose"].curriculum.pace == 7.0
    files = {str(path.relative_to(made)) for path in made.rglob("*") if path.is_file()}
    assert {"dvc.yaml", "code/draw.py", ".dvc/config"} <= files
    assert not files & {"tests/test_draw.py", "photos/1.jpg", "dvc.lock"}
    with Repo(str(made)) as repo:
        assert repo.cache.local_cache_dir == str(project / ".dvc/cache")


def test_made_again_it_has_the_projects_files_as_they_are_now_and_its_own_state(project: Path) -> None:
    made = workspace("a")
    (made / ".state").mkdir()
    (made / ".state/checkpoint").write_text("7")
    (made / "prepared.txt").write_text("an output")
    (project / "code/draw.py").rename(project / "code/paint.py")
    workspace("a")
    assert (made / ".state/checkpoint").read_text() == "7"
    assert not (made / "prepared.txt").exists()
    assert [path.name for path in (made / "code").iterdir()] == ["paint.py"]


def test_places_that_a_copy_has_not_wholly_become_absolute(project: Path) -> None:
    files = [path for path in tracked_files() if path != Path("mixed/list.txt")]
    (project / "code/__pycache__").mkdir()
    (project / "code/__pycache__/draw.pyc").touch()

    def places(source: str, target: str) -> list[str]:
        roots = [f"data.source.root={source}", f"data.target.root={target}"]
        return absolute_places(merge_settings(None, roots)[1], files)

    assert places("photos", "code") == [f"data.source.root={project / 'photos'}"]
    assert places("mixed", "/data/x") == [f"data.source.root={project / 'mixed'}"]
    weights = merge_settings(None, ["data.source.root=code", "network.pretrained=photos/1.jpg"])[1]
    assert absolute_places(weights, files) == [f"network.pretrained={project / 'photos/1.jpg'}"]
    hub = merge_settings(None, ["network.pretrained=someone/weights"])[1]
    assert absolute_places(hub, files) == []


def test_without_git_it_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"git ls-files: .*not a git repository"):
        tracked_files()


def test_stages_are_shared_by_those_that_would_run_them_alike(project: Path) -> None:
    methods = "train.methods=[udape, actupose]"
    weight = "methods.actupose.weights.evalpose"
    a = workspace("a", methods, f"{weight}=0.5")
    b = workspace("b", methods, f"{weight}=1.0")
    c = workspace("c", methods, f"{weight}=1.0")
    other = workspace("d", methods, "vae.epochs=5")
    found = [(set(shared.stages), shared.workspaces) for shared in shared_stages([a, b, c, other])]
    assert found == [
        ({"prepare", "train@udape"}, (a, b, c)),
        ({"train@actupose"}, (b, c)),
    ]
