import json

import pytest
from tiny_domains import tiny_params, tiny_tree

from actupose.errors import UserError
from actupose.params import MethodParams, Params, check_params, known_kinds, params_of

KINDS = {
    "ensemble_teacher": "ensemble_teacher",
    "supervised": "source_only",
    "mean_teacher": "udape",
    "poseda": "poseda",
    "regda": "regda",
}
SHARED = set(MethodParams.model_fields)


def complaint(tree) -> str:
    with pytest.raises(UserError) as caught:
        check_params(tree, "params.yaml")
    return str(caught.value)


def own_keys(kind) -> set[str]:
    return set(params_of(kind).model_fields) - SHARED


def strangers() -> list[tuple[str, str, str]]:
    """Every kind, another, and a key that only the other has."""
    pairs = [(kind, other) for kind in KINDS for other in KINDS]
    return [(kind, other, key) for kind, other in pairs for key in sorted(own_keys(other) - own_keys(kind))]


def test_kinds_are_the_modules_of_methods():
    assert known_kinds() == sorted(KINDS)
    assert all(own_keys(kind) for kind in KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_an_entry_has_the_settings_of_its_kind(kind):
    entry = tiny_params().methods[KINDS[kind]]
    assert type(entry) is params_of(kind)
    assert entry.kind == kind


@pytest.mark.parametrize("kind", ["student", "Supervised", "", None, 3])
def test_an_unknown_kind_is_one_line_that_names_the_kinds(kind):
    says = complaint(tiny_tree(methods__udape__kind=kind))
    expected = f"kind = {kind!r}: one of ensemble_teacher, mean_teacher, poseda, regda, supervised"
    assert says == f"params.yaml: methods.udape: {expected}"


def test_an_entry_without_a_kind_is_told_the_kinds_too():
    tree = tiny_tree()
    del tree["methods"]["udape"]["kind"]
    says = complaint(tree)
    assert says.endswith(
        "methods.udape: kind = None: one of ensemble_teacher, mean_teacher, poseda, regda, supervised"
    )


@pytest.mark.parametrize(("kind", "other", "key"), strangers())
def test_a_key_of_another_kind_is_refused(kind, other, key):
    tree = tiny_tree()
    tree["methods"][KINDS[kind]][key] = tree["methods"][KINDS[other]][key]
    assert complaint(tree) == f"params.yaml: methods.{KINDS[kind]}.{key}: unknown key"


@pytest.mark.parametrize(("kind", "key"), [(kind, key) for kind in KINDS for key in sorted(own_keys(kind))])
def test_a_key_of_its_kind_is_asked_for(kind, key):
    tree = tiny_tree()
    del tree["methods"][KINDS[kind]][key]
    assert complaint(tree) == f"params.yaml: methods.{KINDS[kind]}.{key}: key is missing"


def test_the_json_schema_chooses_a_method_by_its_kind():
    schema = json.loads(json.dumps(Params.model_json_schema()))
    (entry,) = schema["properties"]["methods"]["patternProperties"].values()
    assert entry["discriminator"]["propertyName"] == "kind"
    mapping = entry["discriminator"]["mapping"]
    assert sorted(mapping) == known_kinds()
    assert sorted(mapping.values()) == sorted(member["$ref"] for member in entry["oneOf"])
    for kind, place in mapping.items():
        described = schema["$defs"][place.removeprefix("#/$defs/")]
        assert described["properties"]["kind"]["const"] == kind
        assert set(described["properties"]) == SHARED | own_keys(kind)
        assert set(described["required"]) == set(described["properties"])
        assert described["additionalProperties"] is False
