import pytest
from evaluated_project import demo_params

from actupose.params import DataParams
from actupose.report.papers import ALL_JOINTS, PAPER_TABLES, SURREAL_TO_LSP, comparability, task_name


def data(joint_map, split):
    return DataParams.model_validate(
        {
            "skeleton": "body16",
            "image_size": 256,
            "source": {"corpus": "surreal", "root": "s", "joint_map": joint_map},
            "target": {"corpus": "lsp", "root": "l", "split": split},
        }
    )


def test_every_row_fills_its_columns():
    assert all(len(values) == len(table.columns) for table in PAPER_TABLES for _, values in table.rows)


@pytest.mark.parametrize("method", ["Source only", "RegDA", "PoseDA", "UDAPE", "UDAPE + VAE-HM", "ACTUPose"])
def test_the_tables_agree_where_they_overlap(method):
    assert dict(SURREAL_TO_LSP.rows)[method][-1] == dict(ALL_JOINTS.rows)[method][0]


def test_another_task_does_not_compare():
    assert "not one of the papers' tasks" in comparability(demo_params().data)
    assert task_name(demo_params().data) == "figures (synthetic) → figures (photo)"


def test_the_papers_task_compares_under_their_protocol():
    assert comparability(data("tllib", "all")) == "Same task as the first table."
    assert "joint_map is anatomical" in comparability(data("anatomical", "all"))
    assert "split is official" in comparability(data("tllib", "official"))


def with_target(source, target, skeleton="body16"):
    domains = {"source": {"root": "s"} | source, "target": {"root": "t"} | target}
    return DataParams.model_validate({"skeleton": skeleton, "image_size": 256} | domains)


def test_the_other_two_tasks_of_the_papers_are_known():
    surreal = {"corpus": "surreal", "joint_map": "tllib"}
    for draw, remark in (("literature", ""), ("distinct", " But data.target.test_draw is distinct")):
        data = with_target(surreal, {"corpus": "human36m", "stride": 5, "test_draw": draw, "seed": 42})
        assert comparability(data).startswith(f"Same task as the column SURREAL → H3.6M.{remark}")
    hands = with_target({"corpus": "rhd"}, {"corpus": "h3d", "hands": "free", "seed": 42}, "hand21")
    assert comparability(hands) == "Same task as the column RHD → H3D."
