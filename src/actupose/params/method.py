"""Settings of one method: what every kind has, and how an entry of ``methods`` finds those of its own kind.

What only one kind reads stands in its module, ``actupose.methods.<kind>``, which is found by its place.
"""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal, Union

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, SerializeAsAny, TypeAdapter

from actupose.params.base import Fidelity, Settings
from actupose.params.curriculum import Curriculum
from actupose.params.training import NetworkParams

Domain = Literal["source", "target"]
Origin = Literal["paper", "reading", "ours"]


class MethodParams(Settings):
    """An entry of ``methods``.

    ``fidelity: reference`` computes as the public code of UDAPE and RegDA does, faults included.
    """

    kind: str
    curriculum: Curriculum
    fidelity: Fidelity

    @property
    def labelled_domain(self) -> Domain:
        """Whose labels are learned from."""
        return "source"

    @property
    def origin(self) -> Origin:
        """Whether it is as a paper has it, a reading of one, or ours; it stands beside its figures."""
        return "paper"

    @property
    def needs_pose_vae(self) -> bool:
        """Whether poses found on the target are scored while it trains."""
        return self.curriculum.needs_pose_vae

    @property
    def needs_style_net(self) -> bool:
        """Whether images are restyled by AdaIN's net."""
        return False

    @property
    def pretraining(self) -> dict[str, Any] | None:
        """What decides the steps before adaptation: kinds that say the same learn the same until then.

        None shares nothing; so must a kind of which more than the student changes by then.
        """
        return None

    def network(self, shared: NetworkParams) -> NetworkParams:
        """The shared network with what the method sets on its own."""
        return shared


def known_kinds() -> list[str]:
    """Kinds that ``actupose.methods`` has a module for; none of them is imported."""
    folder = Path(__file__).parents[1] / "methods"
    return sorted(path.stem for path in folder.glob("[!_]*.py"))


def plain_pretraining(
    params: MethodParams, heatmap_weight: float = 1, evalpose_weight: float = 0
) -> dict[str, Any]:
    """Of a kind that until adaptation learns from labels alone, by these weights of its losses."""
    return {
        "labels": params.labelled_domain,
        "weights": [float(heatmap_weight), float(evalpose_weight)],
        "curriculum": params.curriculum.pretraining,
        "fidelity": params.fidelity,
    }


class _KindsInSchema:
    """The JSON schema of an entry: a union of all kinds by ``kind``."""

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:  # noqa: ANN401
        kinds: Any = Union[tuple(params_of(kind) for kind in known_kinds())]  # noqa: UP007 - of a tuple
        union: Any = Annotated[kinds, Field(discriminator="kind")]
        return handler(TypeAdapter(union).core_schema)


def _of_its_kind(entry: Any) -> Any:  # noqa: ANN401 - whatever the YAML holds
    """The entry as its kind's settings."""
    if isinstance(entry, MethodParams):
        return entry
    if not isinstance(entry, Mapping):
        raise ValueError("a mapping with kind, curriculum and what the kind reads")
    kinds = known_kinds()
    if entry.get("kind") not in kinds:
        raise ValueError(f"kind = {entry.get('kind')!r}: one of {', '.join(kinds)}")
    return params_of(entry["kind"]).model_validate(entry)


def params_of(kind: str) -> type[MethodParams]:
    """Settings that entries of a known kind have."""
    found: type[MethodParams] = import_module(f"actupose.methods.{kind}").PARAMS
    return found


# A union by kind that imports the modules of those kinds alone that are there.
AnyMethod = Annotated[SerializeAsAny[MethodParams], BeforeValidator(_of_its_kind), _KindsInSchema]
