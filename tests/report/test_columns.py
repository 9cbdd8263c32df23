from actupose.report.columns import comparison_columns
from actupose.skeleton import BODY16, HAND21


def headings(skeleton):
    return [column.title for column in comparison_columns(skeleton)]


def test_the_groups_of_the_skeleton_head_the_first_columns():
    assert headings(BODY16)[:7] == ["Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "All"]
    assert headings(HAND21)[:5] == ["MCP", "PIP", "DIP", "Fingertip", "All"]
