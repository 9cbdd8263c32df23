"""``actupose wanted`` as a person calls it, where earlier stages have left what it reads."""

import argparse
import json
import shutil
from pathlib import Path

import pytest
from lacking_source import SHAPES, LackingSource
from shrunk_project import ROOT

from actupose.tables import WANTED_BINS, read_table, wanted_schema
from actupose.wanted.find import Search
from pipelines import wanted
from pipelines.cli import main


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LackingSource:
    """A folder with one evaluated run, in which the command is called."""
    shutil.copy2(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    evaluate("udape-0")
    return LackingSource(tmp_path)


def evaluate(name: str) -> None:
    """What the command looks for of a run."""
    folder = Path("evaluations") / name
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text("{}")


def call(*words: str) -> int:
    return main(["wanted", *words])


def rows(printed: str, head: str) -> list[list[str]]:
    """Cells of the table that begins with a title."""
    lines = iter(printed.splitlines())
    next(line for line in lines if line.strip().startswith(head))
    next(lines)
    found = []
    while cells := next(lines).split():
        found.append(cells)
    return found


def test_the_only_run_is_searched_both_tables_printed_and_four_files_written(project, capsys):
    assert call() == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert [row[:5] for row in rows(told.out, "Bin")][1] == ["1", "0", "0.0", "30.0", "-30.0"]
    (row,) = rows(told.out, "Rank")
    assert row[0] == "0" and row[2:9] == ["3", "60.0", "0.0", "+60.0", "p6,", "p5,", "p3"]
    assert {name.strip(",") for name in row[9:11]} == {"s8", "s9"}
    names = ["wanted_bins.parquet", "wanted.parquet", "wanted.json", "wanted.png"]
    assert told.out.splitlines()[-1] == f"wanted: {', '.join(names)}"
    assert sorted(path.name for path in Path("wanted").iterdir()) == sorted(names)
    assert read_table(Path("wanted/wanted_bins.parquet"), WANTED_BINS).num_rows == 3
    assert read_table(Path("wanted/wanted.parquet"), wanted_schema(16)).num_rows == 1
    assert len(json.loads(Path("wanted/wanted.json").read_text())["annotations"]) == 1


def test_options_say_which_run_what_is_alike_how_many_and_where(project, capsys):
    evaluate("actupose-0")
    project.write_source([SHAPES["lies"]] * 10)
    assert call("udape-0", "--count", "1", "--alike", "0.5", "--output", "found/here") == 0
    assert len(rows(capsys.readouterr().out, "Rank")) == 1
    assert Path("found/here/wanted.png").exists() and not Path("wanted").exists()


def test_where_nothing_lacks_it_says_so_and_draws_nothing(project, capsys):
    project.write_source([SHAPES["upside down"]] * 6 + [SHAPES["stands"]] * 4)
    assert call() == 0
    told = capsys.readouterr().out
    assert "The source lacks no pose of these." in told
    assert told.splitlines()[-1] == "wanted: wanted_bins.parquet, wanted.parquet, wanted.json"


def test_one_run_of_several_is_to_be_named(project, capsys):
    evaluate("actupose-0")
    for words, asked in (([], "name a run"), (["udape-1"], "udape-1: no such run")):
        assert call(*words) == 2
        assert capsys.readouterr().err == f"error: {asked}; evaluated are actupose-0, udape-0\n"


def without_evaluations(_: LackingSource) -> None:
    shutil.rmtree("evaluations")


def without_predictions(project: LackingSource) -> None:
    project.predictions.unlink()


def with_predictions_of_before(project: LackingSource) -> None:
    project.write_predictions([SHAPES["stands"]] * 8, split="test")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (without_evaluations, "evaluations: no run is evaluated here; run: dvc repro"),
        (without_predictions, "data/predictions/udape-0.parquet: no such table; run the stage"),
        (with_predictions_of_before, "not of the images in split 'train' of the target; run its stage again"),
    ],
)
def test_what_is_not_there_is_one_line_that_names_dvc_repro(project, spoil, told, capsys):
    spoil(project)
    assert call() == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and told in error and "dvc repro" in error and error.count("\n") == 1
    assert not Path("wanted").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--count", "0"], "--count 0: a whole number above 0"),
        (["--alike", "1"], "--alike 1: a mean cosine between 0 and 1, both left out"),
        (["--output", "params.yaml"], "params.yaml: is a file, not a folder"),
    ],
)
def test_a_users_mistake_is_one_line_and_status_2(project, words, told, capsys):
    assert call(*words) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and told in error and error.count("\n") == 1


def test_without_options_it_searches_as_evaluate_does():
    parser = argparse.ArgumentParser()
    wanted.add_arguments(parser)
    arguments = parser.parse_args([])
    assert Search(arguments.count, arguments.alike) == Search()


def test_help_says_what_to_do_with_the_result(capsys):
    with pytest.raises(SystemExit):
        call("--help")
    told = " ".join(capsys.readouterr().out.split())
    assert "What to do with them" in told and "wanted.json" in told
