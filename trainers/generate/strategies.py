"""Hypothesis strategies for a tool's arguments: from its schema, from harvested values, and from its code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from artis_sdk.errors import MissingExtraError

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    Strategy = SearchStrategy[Any]

_MOST = 120  # harvested values of one kind to choose from
_PLAIN: tuple[JsonValue, ...] = (None, True, "", " ", "none", "x", "/", "a/b", -1, 0, 1, 0.5, 1e308, 10**399)
WRONG: tuple[JsonValue, ...] = (*_PLAIN, [], ["x"], [1], {}, {"x": 1})
"""Values of every type, those at the edge of it first."""


def load_hypothesis() -> Any:
    """The module. Raises `MissingExtraError` if it is not installed."""
    try:
        import hypothesis
    except ModuleNotFoundError as error:
        raise MissingExtraError("property-based generation", "generate") from error
    return hypothesis


def argument(
    schema: Mapping[str, Any],
    harvested: Iterable[Iterable[JsonValue]],
    *,
    wrong: bool,
    root: Mapping[str, Any],
) -> Strategy:
    """Values for one parameter.

    Args:
        schema: schema of the parameter.
        harvested: groups of values; each group is as likely as the schema.
        wrong: whether to add values that the schema forbids, for tools that do not check types.
        root: schema of all arguments, with the definitions.
    """
    from hypothesis import strategies as st

    options: list[Strategy] = []
    for group in harvested:
        values = list(group)[:_MOST]
        if values:
            options.append(st.sampled_from(values))
    options.append(from_schema(schema, root))
    if wrong:
        options.append(st.sampled_from(WRONG))
    return st.one_of(options)


def draw(strategies: Mapping[str, Strategy], count: int, seed: int) -> list[dict[str, JsonValue]]:
    """`count` sets of arguments, the same for the same seed in every process.

    Hypothesis only draws values, which it does well at the edges of a strategy; their use is decided
    elsewhere, so nothing is shrunk or stored.
    """
    from hypothesis import HealthCheck, Phase, Verbosity, given, settings
    from hypothesis import seed as seeded
    from hypothesis import strategies as st
    from hypothesis.internal.conjecture.providers import AVAILABLE_PROVIDERS

    AVAILABLE_PROVIDERS["artis"] = "artis_sdk.trainers.generate.values_drawn.ValuesDrawn"
    drawn: list[dict[str, JsonValue]] = []

    @seeded(seed)
    @settings(
        max_examples=count,
        backend="artis",
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
    )
    @given(st.fixed_dictionaries(dict(strategies)))
    def collect(arguments: dict[str, JsonValue]) -> None:
        drawn.append(arguments)

    collect()
    return drawn


def from_schema(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int = 0) -> Strategy:
    """Values that a JSON schema allows, by the keywords that pydantic writes."""
    from hypothesis import strategies as st

    if "$ref" in schema:
        schema = root.get("$defs", {}).get(str(schema["$ref"]).rpartition("/")[2], {})
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(list(schema["enum"]))
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return st.one_of([from_schema(part, root, depth + 1) for part in schema[key]])
    kind = schema.get("type")
    if isinstance(kind, list):
        return st.one_of([from_schema({**schema, "type": one}, root, depth + 1) for one in kind])
    match kind:
        case "string":
            return st.text(
                _alphabet(), min_size=schema.get("minLength", 0), max_size=schema.get("maxLength", 30)
            )
        case "integer":
            return st.integers(_bound(schema, "inimum", 1), _bound(schema, "aximum", -1))
        case "number":
            least, most = _bound(schema, "inimum", 0), _bound(schema, "aximum", 0)
            floats = st.floats(least, most, allow_nan=False, allow_infinity=False)
            return floats if least is not None or most is not None else floats | st.integers(-1000, 1000)
        case "boolean":
            return st.booleans()
        case "null":
            return st.none()
        case "array" if depth < 3:
            inner = from_schema(schema.get("items", {}), root, depth + 1)
            return st.lists(inner, min_size=schema.get("minItems", 0), max_size=schema.get("maxItems", 4))
        case "object" if depth < 3:
            return _object(schema, root, depth)
    return st.none() | st.booleans() | st.integers(-100, 100) | st.text(_alphabet(), max_size=8)


def _object(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Strategy:
    from hypothesis import strategies as st

    properties = {name: from_schema(s, root, depth + 1) for name, s in schema.get("properties", {}).items()}
    needed = set(schema.get("required", ()))
    named = st.fixed_dictionaries(
        {name: s for name, s in properties.items() if name in needed},
        optional={name: s for name, s in properties.items() if name not in needed},
    )
    more = schema.get("additionalProperties")
    if not isinstance(more, dict):
        return named
    free = st.dictionaries(st.text(_alphabet(), max_size=8), from_schema(more, root, depth + 1), max_size=3)
    return st.builds(lambda a, b: {**b, **a}, named, free)


def _alphabet() -> Any:
    from hypothesis import strategies as st

    return st.characters(codec="utf-8")


def _bound(schema: Mapping[str, Any], suffix: str, step: int) -> Any:
    """`minimum` or `maximum`, or the exclusive one with a step added."""
    plain, exclusive = schema.get(f"m{suffix}"), schema.get(f"exclusiveM{suffix}")
    if exclusive is not None:
        return exclusive + (step or (1e-9 if suffix == "inimum" else -1e-9))
    return plain
