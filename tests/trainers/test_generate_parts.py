"""The parts of generation: coverage, mutated calls, drawn values, and start states."""

from __future__ import annotations

import json
from random import Random
from typing import Any, Literal

import jsonschema  # type: ignore[import-untyped]
import pytest
from helpers.failing_tools import Shop
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, JsonValue, TypeAdapter

from artis_sdk.records import Outcome, Provenance, Step, ToolCall
from artis_sdk.simulators import SandboxSimulator
from artis_sdk.tools import Toolset
from artis_sdk.trainers.failure_modes.taxonomy import Taxonomy
from artis_sdk.trainers.generate.coverage import Coverage
from artis_sdk.trainers.generate.mutation import Logged, Mutation, edges, retyped
from artis_sdk.trainers.generate.strategies import draw, from_schema
from artis_sdk.trainers.generate.tasks import CallResult
from artis_sdk.trainers.generate.values import Pool
from artis_sdk.trainers.generate.worker import NoModel
from artis_sdk.trainers.generate.worlds import Change, is_address, leaves, make_changes, shown

TOOLS = Toolset.from_object(Shop())
TAXONOMY = Taxonomy(TOOLS)
MODES = tuple(TAXONOMY)
VALUES: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)

# --- coverage -------------------------------------------------------------------------------------


def reached(modes: list[int], type_: str) -> CallResult:
    found = tuple(MODES[n] for n in modes)
    call = ToolCall(tool=found[0].tool if found else "safe", arguments={})
    return CallResult(
        Step(call=call, outcome=Outcome.success(1, Provenance.SANDBOXED)), frozenset(), found, type_
    )


CALLS = st.lists(
    st.tuples(
        st.sampled_from(["mutation", "property", "agents"]),
        st.lists(st.integers(0, len(MODES) - 1), max_size=2),
        st.sampled_from(["success", "A", "B"]),
    ),
    max_size=25,
)


@given(CALLS, st.randoms(use_true_random=False))
def test_coverage_only_grows_and_does_not_depend_on_the_order(
    calls: list[tuple[str, list[int], str]], random: Any
) -> None:
    coverage = Coverage.of(TAXONOMY)
    cells: set[tuple[str, str]] = set()
    for n, (source, modes, type_) in enumerate(calls, 1):
        before, share = coverage.reached, coverage.share
        one = reached(modes, type_)
        cell = (one.step.call.tool, type_)
        new = coverage.add_call(source, one)
        assert coverage.reached >= before
        assert 1 >= coverage.share >= share
        assert new == (coverage.reached > before or cell not in cells)
        cells.add(cell)
        assert sum(coverage.calls.values()) == n
    hit = {MODES[n].key for _, modes, _ in calls for n in modes}
    assert {mode.key for mode in MODES} - {mode.key for mode in coverage.unseen()} == hit
    assert coverage.first.keys() == hit
    shuffled = list(calls)
    random.shuffle(shuffled)
    other = Coverage.of(TAXONOMY)
    for source, modes, type_ in shuffled:
        other.add_call(source, reached(modes, type_))
    assert (other.hits, other.types, other.calls) == (coverage.hits, coverage.types, coverage.calls)
    table = coverage.as_json()
    assert table["reached"] == len(hit) == sum(source["first"] for source in table["sources"].values())
    assert json.loads(json.dumps(table)) == table


# --- mutation -------------------------------------------------------------------------------------

ARGUMENTS = st.dictionaries(st.sampled_from(["item", "count", "code", "a"]), VALUES, max_size=4)


@given(ARGUMENTS, st.integers(0, 10**6))
def test_a_changed_call_is_of_the_same_tool_and_parameters(
    arguments: dict[str, JsonValue], seed: int
) -> None:
    pool = Pool()
    pool.add_state({"count": 7, "items": ["x"]})
    call = ToolCall(tool="buy", arguments=arguments)
    made = Mutation([], pool, Random(seed)).changed(call)
    assert made.tool == "buy"
    assert made.arguments.keys() <= arguments.keys()
    assert len(made.arguments) >= len(arguments) - 1
    different = [name for name in made.arguments if made.arguments[name] != arguments[name]]
    assert len(different) <= 2


@given(VALUES)
def test_retyped_is_another_type_and_an_edge_is_the_same(value: JsonValue) -> None:
    assert all(type(other) is not type(value) for other in retyped(value))
    kinds = {type(value)} | ({int, float} if isinstance(value, int | float) else set())
    if value is not None:
        assert {type(other) for other in edges(value)} <= kinds


@given(st.integers(0, 10**6))
def test_every_way_of_changing_a_task_keeps_to_it(seed: int) -> None:
    calls = tuple(ToolCall(tool=t, arguments={"n": n}) for n, t in enumerate(("a", "b", "c")))
    draft = Mutation([Logged(2, calls, "s")], Pool(), Random(seed)).draft()
    assert (draft.world, draft.session, draft.source) == (2, "s", "mutation")
    assert len(draft.calls) <= 4
    assert {call.tool for call in draft.calls} <= {"a", "b", "c"}


def test_mutation_takes_values_from_the_state_and_from_other_sessions() -> None:
    pool = Pool()
    pool.add_call(ToolCall(tool="buy", arguments={"item": "from another session"}))
    pool.add_state({"Shop": {"stock": {"item": "from the state"}}})
    mutation = Mutation([], pool, Random(0))
    made = {
        str(mutation.changed(ToolCall(tool="buy", arguments={"item": "apple"})).arguments.get("item"))
        for _ in range(200)
    }
    assert {"from another session", "from the state"} <= made


# --- drawn values ---------------------------------------------------------------------------------


class Address(BaseModel):
    street: str
    number: int = 1
    tags: list[Literal["home", "work"]] = []


@pytest.mark.parametrize(
    "kind",
    [int, str, float, bool, list[int], dict[str, bool], int | None, Literal["a", 1], Address, list[Address]],
)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_what_is_drawn_from_a_schema_fits_it(kind: Any, data: st.DataObject) -> None:
    schema = TypeAdapter(kind).json_schema()
    assert jsonschema.Draft202012Validator(schema).is_valid(data.draw(from_schema(schema, schema)))


@pytest.mark.parametrize("name", TOOLS.names)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_what_is_drawn_for_a_tool_passes_its_own_check(name: str, data: st.DataObject) -> None:
    tool = TOOLS[name]
    properties = tool.schema["properties"]
    arguments = {p: data.draw(from_schema(s, tool.schema)) for p, s in properties.items()}
    tool.parse(ToolCall(tool=name, arguments=arguments))


def test_what_is_drawn_is_the_same_for_the_same_seed() -> None:
    strategies = {"n": st.integers(), "t": st.text()}
    first = draw(strategies, 20, 7)
    assert len(first) == 20
    assert first == draw(strategies, 20, 7) != draw(strategies, 20, 8)


# --- start states ---------------------------------------------------------------------------------


@given(st.data())
def test_a_change_of_the_start_state_shows_there_or_does_not_fit_and_never_reaches_the_object(
    data: st.DataObject,
) -> None:
    before = TOOLS.state()
    path, _ = data.draw(st.sampled_from(list(leaves(before))))
    value = data.draw(VALUES)
    fork = SandboxSimulator().fork(TOOLS, NoModel())
    make_changes(fork.tools, [Change(path, value)])
    after = fork.state()
    assert TOOLS.state() == before
    found = dict(leaves(after))
    if after != before:
        assert found[path] == value
        assert all(found.get(p, v) == v for p, v in leaves(before) if p[: len(path)] != path[: len(p)])


@pytest.mark.parametrize(
    ("path", "value", "address"),
    [
        (("Store", "path"), "anything", True),
        (("Store", "db_path"), "anything", True),
        (("Store", "base_url"), "anything", True),
        (("Store", "port"), 8080, True),
        (("Store", "where"), "/etc/passwd", True),
        (("Store", "where"), "/etc/not_there_yet", True),
        (("Store", "where"), "https://api.example.com/v1", True),
        (("Store", "where"), "postgresql://me:secret@db/orders", True),
        (("Store", "where"), "host=db port=5432 dbname=orders", True),
        (("Store", "where"), "db.example.com:5432", True),
        (("Store", "clients", "a", "where"), "redis://cache", True),
        (("Store", "cwd"), "/workspace", False),  # of a file system that the object itself plays
        (("Store", "opens"), "12:30", False),
        (("Store", "orders", "path"), "scenic", False),
        (("Store", "name"), "ann", False),
        (("Store", "balance"), 100, False),
        (("Store", "export"), True, False),
        (("Store", "files"), {"a": 1}, False),
        (("Store", "text"), "a\0b", False),
    ],
)
def test_an_address_is_no_part_of_the_state_to_vary(
    path: tuple[str, ...], value: JsonValue, address: bool
) -> None:
    assert is_address(path, value) is address


def test_the_state_shows_addresses_as_they_are_in_the_real_object() -> None:
    real: JsonValue = {"Store": {"path": "/srv/real.db", "count": 1, "rows": [1]}}
    forked: JsonValue = {"Store": {"path": "/tmp/fork/real.db", "count": 1, "rows": [1]}}
    changed: JsonValue = {"Store": {"path": "/tmp/fork/real.db", "count": 7, "rows": []}}
    assert shown(changed, forked, real) == {"Store": {"path": "/srv/real.db", "count": 7, "rows": []}}
    assert shown(changed, forked, forked) == changed
    assert shown(None, None, None) is None
