import pytest

from pipelines.stage_runs.slots import computing_slot, free_gpu, visible_gpus


@pytest.fixture
def gpus(tmp_path, monkeypatch):
    """Names of two GPUs, whose locks are not those of this machine's stages."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return ["first", "second"]


def test_stages_side_by_side_get_different_gpus(gpus):
    with free_gpu(gpus) as one, free_gpu(gpus) as two, free_gpu(gpus) as three:
        assert (one, two, three) == (*gpus, None)


def test_a_gpu_is_free_again_after_its_stage(gpus):
    with free_gpu(gpus), free_gpu(gpus):
        pass
    with free_gpu(gpus) as again:
        assert again == gpus[0]


def test_a_computing_stage_sees_one_of_several_gpus(gpus, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", ",".join(gpus))
    with computing_slot("train@udape-0", limited=False) as environment:
        assert environment == {"CUDA_VISIBLE_DEVICES": gpus[0]}
    with computing_slot("normalise@source", limited=False) as environment:
        assert environment == {}


def test_ranks_of_one_training_see_all_gpus(gpus, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", ",".join(gpus))
    monkeypatch.setenv("ACTUPOSE_RANKS", "2")
    with computing_slot("train@udape-0", limited=False) as environment:
        assert environment == {}


@pytest.mark.parametrize(("chosen", "gpus"), [("0, 3", ["0", "3"]), ("", [])])
def test_the_users_choice_of_gpus_stands(chosen, gpus, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    assert visible_gpus() == gpus
