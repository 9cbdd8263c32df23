import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError
from tiny_domains import tiny_params, tiny_tree

from actupose.errors import UserError
from actupose.params import (
    ActiveCurriculum,
    HardMiningCurriculum,
    Params,
    ProgressiveCurriculum,
    UniformCurriculum,
    check_params,
    known_kinds,
    load_params,
    params_of,
)

ROOT = Path(__file__).parents[2]


def complaint(tree) -> str:
    with pytest.raises(UserError) as caught:
        check_params(tree, "params.yaml")
    line = str(caught.value)
    assert "\n" not in line
    assert line.startswith("params.yaml: ")
    return line.removeprefix("params.yaml: ")


BAD_VALUES = [
    ("data.skeleton", "body99", "data.skeleton = 'body99': Input should be"),
    (
        "data.target",
        {"corpus": "rhd", "root": "hands"},
        "data: target: corpus rhd is labelled with hand21, not with skeleton = body16",
    ),
    ("network.depth", 0, "network: depth 0: one of 18, 34, 50, 101 for resnet"),
    ("data.image_size", 100, "data.image_size = 100: Input should be a multiple of 32"),
    ("data.image_size", 2048, "data.image_size = 2048: Input should be less than or equal to 1024"),
    ("data.source.corpus", "imagenet", "data.source: Input tag 'imagenet'"),
    ("data.source.pose_mix", [0.5, 0.5, 0.5], "pose_mix must sum to 1, not 1.5"),
    ("data.target.counts.test", 0, "counts.test = 0: Input should be greater than 0"),
    ("ingest.max_rejected_fraction", 1.5, "ingest.max_rejected_fraction = 1.5: Input should be less than"),
    ("ingest.jpeg_quality", 0, "ingest.jpeg_quality = 0"),
    ("vae.hidden", [], "vae.hidden: "),
    ("vae.latent", 0, "vae.latent = 0: Input should be greater than 0"),
    ("vae.kl_weight", -1, "vae.kl_weight = -1"),
    ("bins.target", 1, "bins.target = 1: Input should be greater than or equal to 2"),
    ("methods.actupose.curriculum.sigma", 0, "methods.actupose.curriculum.sigma = 0: Input should be"),
    (
        "methods.actupose.curriculum.score_axis",
        "log",
        "methods.actupose.curriculum.score_axis = 'log': Input should be 'rank', 'minmax' or 'raw'",
    ),
    (
        "methods.udape_vae_hm.curriculum.hard_fraction",
        0,
        "methods.udape_vae_hm.curriculum.hard_fraction = 0",
    ),
    ("methods.udape.curriculum.pace", 2.0, "methods.udape.curriculum.pace: unknown key"),
    ("methods.udape.curriculum.name", "slow", "methods.udape.curriculum: Input tag 'slow'"),
    ("style_net.steps", 0, "style_net.steps = 0"),
    ("network.depth", 19, "network.depth = 19: Input should be 0, 1, 2, 18, 34, 50 or 101"),
    ("network.width", 0.01, "network.width = 0.01: Input should be greater than or equal to 0.0625"),
    ("network.stages", 5, "network.stages = 5: Input should be 3 or 4"),
    ("heatmap.sigma", float("nan"), "heatmap.sigma = nan"),
    ("heatmap.sigma", float("inf"), "heatmap.sigma = inf"),
    ("heatmap.loss", "l1", "heatmap.loss = 'l1': Input should be 'mse' or 'kl'"),
    ("augment.crop_area", [1.0, 0.6], "augment.crop_area: the lower end comes first, not [1, 0.6]"),
    ("augment.crop_area", [0, 0.6], "augment.crop_area.0 = 0: Input should be greater than 0"),
    ("augment.student.scale", [1.2, 0.8], "augment.student.scale: the lower end comes first, not [1.2, 0.8]"),
    ("augment.student.scale", [0.8], "augment.student.scale"),
    ("augment.teacher.rotation", 181, "augment.teacher.rotation = 181"),
    ("augment.teacher.shear", 90, "augment.teacher.shear = 90: Input should be less than 90"),
    ("methods.udape.ema_decay", 1.1, "methods.udape.ema_decay = 1.1"),
    ("methods.udape.mask_ratio", 1, "methods.udape.mask_ratio = 1: Input should be less than 1"),
    ("methods.udape.views", 0, "methods.udape.views = 0"),
    (
        "methods.udape.teacher_norm",
        "both",
        "methods.udape.teacher_norm = 'both': Input should be 'own' or 'student'",
    ),
    ("schedule.epochs", "many", "schedule.epochs = 'many': Input should be a valid integer"),
    ("schedule.epochs", None, "schedule.epochs = None"),
    ("schedule.batch_size", 1, "schedule.batch_size = 1: Input should be greater than or equal to 2"),
    ("schedule.pretrain_epochs", 3, "schedule: pretrain_epochs must be below epochs = 3"),
    ("optim.lr", 0, "optim.lr = 0"),
    ("optim.milestones", [-1], "optim.milestones.0 = -1"),
    ("evaluation.threshold", 1, "evaluation.threshold = 1"),
    ("compute.device", "tpu", "compute.device = 'tpu': Input should be 'auto', 'cpu' or 'cuda'"),
    ("compute.precision", "fp8", "compute.precision = 'fp8'"),
    ("tracking.experiment", "a/b", "tracking.experiment = 'a/b'"),
    ("tracking.experiment", "", "tracking.experiment = ''"),
    ("train.methods", [], "train.methods: "),
    ("train.methods", ["udap"], "train.methods: 'udap' is not among methods: source_only, oracle"),
    ("train.methods", ["udape", "udape"], "train: 'udape' is listed twice"),
    ("train.seeds", [0, 0], "train: 0 is listed twice"),
    ("train.seeds", [-1], "train.seeds.0 = -1"),
    (
        "methods.oracle.curriculum",
        {"name": "progressive", "num_bins": 6},
        "methods.oracle: supervision: target goes with curriculum: {name: uniform}",
    ),
    ("methods.udape.supervision", "target", "methods.udape.supervision: unknown key"),
    ("methods.source_only.gamma", 0.1, "methods.source_only.gamma: unknown key"),
    (
        "methods.udape.kind",
        "student",
        "methods.udape: kind = 'student': one of ensemble_teacher, mean_teacher, poseda, regda, supervised",
    ),
    ("methods.udape", 3, "methods.udape = 3: a mapping with kind, curriculum and what the kind reads"),
    ("methods.udape.weights.udape", -0.1, "methods.udape.weights.udape = -0.1"),
]


@pytest.mark.parametrize(("key", "value", "says"), BAD_VALUES, ids=lambda part: str(part)[:40])
def test_a_bad_value_is_one_line_with_key_value_and_what_is_allowed(key, value, says):
    assert says in complaint(tiny_tree(**{key.replace(".", "__"): value}))


def test_people_are_no_corpus_for_hands_but_figures_are_both():
    assert tiny_params(data__skeleton="hand21").data.skeleton == "hand21"
    lsp = {"corpus": "lsp", "root": "lsp", "split": "official"}
    says = complaint(tiny_tree(data__skeleton="hand21", data__target=lsp))
    assert "target: corpus lsp is labelled with body16, not with skeleton = hand21" in says


def test_reference_never_mirrors_where_a_trained_method_asks_for_it():
    assert tiny_params(methods__oracle__fidelity="reference").augment.student.flip == 0.5
    says = complaint(tiny_tree(methods__udape__fidelity="reference"))
    assert says == "methods.udape.fidelity: reference goes with augment.*.flip: 0, as the public code"


def test_a_trained_method_that_restyles_by_a_net_wants_one_trained():
    tree = tiny_tree(methods__udape__style__kind="adain", style_net__train=False)
    assert complaint(tree) == "methods.udape restyles images by AdaIN's net: set style_net.train: true"
    tree["train"]["methods"] = ["source_only"]
    assert not check_params(tree, "tiny").style_net.train


def test_an_unknown_key_is_named():
    tree = tiny_tree()
    tree["optim"]["momentum"] = 0.9
    assert complaint(tree) == "optim.momentum: unknown key"


def test_a_missing_key_is_named_and_the_other_complaints_are_counted():
    tree = tiny_tree(optim__lr=-1)
    del tree["data"]["image_size"]
    assert complaint(tree) == "data.image_size: key is missing (and 1 more)"


def test_a_method_with_a_name_unfit_for_a_folder_is_refused():
    tree = tiny_tree()
    tree["methods"]["My/Method"] = tree["methods"]["udape"]
    assert "My/Method" in complaint(tree)


@pytest.mark.parametrize("content", [None, [], "text", 3])
def test_a_file_that_is_no_tree_is_refused(content):
    assert complaint(content).startswith("Input should be a valid dictionary")


def test_params_are_frozen_down_to_the_leaves():
    params = tiny_params()
    for node, name in ((params, "vae"), (params.optim, "lr"), (params.methods["udape"].weights, "udape")):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(node, name, 1)
    with pytest.raises(TypeError):
        params.optim.milestones[0] = 5


def test_changing_a_copy_of_the_tree_changes_no_other():
    assert tiny_params(optim__lr=0.5).optim.lr == 0.5
    assert tiny_params().optim.lr == 0.003


def test_a_good_file_is_read(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(tiny_tree()))
    assert load_params(path) == tiny_params()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "Input should be a valid dictionary"),
        (b"a: [", "not valid YAML"),
        (b"a: \xff\xfe", "not valid YAML"),
    ],
)
def test_a_file_that_is_not_yaml_is_told_in_one_line(tmp_path, content, says):
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        load_params(path)
    assert str(caught.value).startswith(f"{path}: {says}")
    assert "\n" not in str(caught.value)


def test_a_missing_file_says_where_to_run(tmp_path):
    with pytest.raises(UserError, match=r"params\.yaml: no such file; run from the project's root"):
        load_params(tmp_path / "params.yaml")


def test_yaml_cannot_make_objects(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("data: !!python/object/apply:os.getcwd []")
    with pytest.raises(UserError, match="not valid YAML"):
        load_params(path)


def test_the_module_prints_the_schema_as_json():
    command = [sys.executable, "-m", "actupose.params"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    schema = json.loads(printed)
    assert schema == json.loads(json.dumps(Params.model_json_schema()))
    assert set(schema["properties"]) == set(yaml.safe_load((ROOT / "params.yaml").read_text()))
    assert schema["additionalProperties"] is False


def sections(model, prefix=""):
    for name, field in model.model_fields.items():
        yield f"{prefix}{name}", field
        if isinstance(field.annotation, type) and hasattr(field.annotation, "model_fields"):
            yield from sections(field.annotation, f"{prefix}{name}.")


CURRICULA = (UniformCurriculum, HardMiningCurriculum, ProgressiveCurriculum, ActiveCurriculum)


def test_every_setting_is_read_somewhere():
    code = "\n".join(
        path.read_text()
        for folder in ("src/actupose", "stages", "tracking", "pipelines")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if path.name != "params.py"
    )
    models = [Params, *(params_of(kind) for kind in known_kinds()), *CURRICULA]
    fields = {key: field for model in models for key, field in sections(model)}
    leaves = [key for key, field in fields.items() if not hasattr(field.annotation, "model_fields")]
    assert len(leaves) > 80
    unread = [key for key in leaves if f".{key.rsplit('.', 1)[-1]}" not in code]
    assert [key for key in unread if f"{key}=" not in code] == []  # or matched by a pattern
