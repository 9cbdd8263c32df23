import pytest
from tiny_domains import Project


@pytest.fixture
def project(tmp_path) -> Project:
    """24 source and 18 target training images of 32 pixels, ingested and scored."""
    return Project(tmp_path)
