"""A tree that is copied as it is used is, for whoever uses it, a deep copy."""

from __future__ import annotations

import copy
import heapq
import json
import pickle
import random
from collections.abc import Callable
from typing import Any

import pytest
from helpers.simulators import call, fork, play
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from artis_sdk.errors import SimulationError
from artis_sdk.simulators import SandboxSimulator, forks
from artis_sdk.simulators.forks.lazy import LazyDict, LazyList, NotCopied
from artis_sdk.tools import Toolset

SANDBOX = SandboxSimulator()
N = 80


def rows_dict() -> dict[str, Any]:
    shared = {"shared": [0]}
    made: dict[str, Any] = {f"k{i}": {"id": i, "tags": [i], "shared": shared} for i in range(N)}
    return made | {"plain": 1, "again": made["k1"]}


def rows_list() -> list[Any]:
    made: list[Any] = [[N - i, {"x": [i]}] for i in range(N)]
    return [*made, made[3]]


index = st.integers(-N, N - 1)
key = st.sampled_from([*(f"k{i}" for i in range(5)), "plain", "again", "none"])

# Each acts on a tree and gives something that can be compared.
DICT_ACTS: dict[str, Callable[[Any, Any], Any]] = {
    "get": lambda d, k: d.get(k),
    "get_default": lambda d, k: d.get(k, 7),
    "item": lambda d, k: d[k],
    "change": lambda d, k: d[k]["tags"].append("x") or d[k],
    "change_shared": lambda d, k: d[k]["shared"]["shared"].append(1) or d[k],
    "set": lambda d, k: d.__setitem__(k, {"new": [k]}),
    "delete": lambda d, k: d.__delitem__(k),
    "pop": lambda d, k: d.pop(k),
    "pop_default": lambda d, k: d.pop(k, None),
    "popitem": lambda d, k: d.popitem(),
    "setdefault": lambda d, k: d.setdefault(k, {"made": []}),
    "update": lambda d, k: d.update({k: {"u": 1}}),
    "update_from": lambda d, k: dict(d),
    "ior": lambda d, k: d.__ior__({k: [1]}) and None,
    "or": lambda d, k: d | {k: 1},
    "ror": lambda d, k: {k: 1} | d,
    "spread": lambda d, k: {**d},
    "keyword": lambda d, k: dict(**d),
    "copy": lambda d, k: d.copy(),
    "copied": lambda d, k: copy.copy(d),
    "deepcopy": lambda d, k: copy.deepcopy(d),
    "pickle": lambda d, k: pickle.loads(pickle.dumps(d)),
    "json": lambda d, k: json.dumps(d),
    "json_indent": lambda d, k: json.dumps(d, indent=1),
    "repr": lambda d, k: repr(d),
    "keys": lambda d, k: list(d.keys()),
    "values": lambda d, k: list(d.values()),
    "items": lambda d, k: list(d.items()),
    "change_values": lambda d, k: [v["tags"].append(1) for v in d.values() if isinstance(v, dict)],
    "len": lambda d, k: (len(d), bool(d), len(d.items()), len(d.values())),
    "in": lambda d, k: (k in d, k in d.keys(), (k, 1) in d.items()),  # noqa: SIM118
    "iter": lambda d, k: list(d),
    "reversed": lambda d, k: list(reversed(d)),
    "sorted": lambda d, k: sorted(d),
    "equal": lambda d, k: (d == rows_dict(), rows_dict() == d, d != {}),
    "match": lambda d, k: _matched(d),
    "format": lambda d, k: "{k1[id]}".format_map(d) if "k1" in d else None,
    "alias": lambda d, k: d.get("again") is d.get("k1"),
    "alias_inside": lambda d, k: d["k2"]["shared"] is d["k3"]["shared"],
}


def _matched(d: Any) -> Any:
    match d:
        case {"k1": found}:
            return found
    return None


LIST_ACTS: dict[str, Callable[[Any, int], Any]] = {
    "item": lambda x, i: x[i],
    "slice": lambda x, i: x[i : i + 5],
    "step": lambda x, i: x[::7],
    "change": lambda x, i: x[i][1]["x"].append("y"),
    "set": lambda x, i: x.__setitem__(i, [0, {"x": []}]),
    "set_slice": lambda x, i: x.__setitem__(slice(0, 3), [[0, {"x": []}]]),
    "delete": lambda x, i: x.__delitem__(i),
    "append": lambda x, i: x.append([i, {"x": []}]),
    "extend": lambda x, i: x.extend([[i, {"x": []}]]),
    "extend_itself": lambda x, i: x.extend(x) if len(x) < 500 else None,
    "iadd": lambda x, i: x.__iadd__([[i, {"x": []}]]) and None,
    "add": lambda x, i: x + [[i]],  # noqa: RUF005
    "radd": lambda x, i: [[i]] + x,  # noqa: RUF005
    "mul": lambda x, i: x * 2,
    "insert": lambda x, i: x.insert(i, [i, {"x": []}]),
    "pop": lambda x, i: x.pop(),
    "pop_at": lambda x, i: x.pop(i),
    "remove": lambda x, i: x.remove(x[i]),
    "index": lambda x, i: x.index(x[i]),
    "count": lambda x, i: x.count(x[i]),
    "sort": lambda x, i: x.sort(key=lambda row: row[0]),
    "reverse": lambda x, i: x.reverse(),
    "sorted": lambda x, i: sorted(x, key=lambda row: row[0]),
    "reversed": lambda x, i: list(reversed(x)),
    "list": lambda x, i: list(x),
    "tuple": lambda x, i: tuple(x),
    "spread": lambda x, i: [*x],
    "unpack": lambda x, i: (lambda *a: a)(*x),
    "enumerate": lambda x, i: list(enumerate(x)),
    "zip": lambda x, i: list(zip(x, x, strict=True)),
    "max": lambda x, i: max(x, key=lambda row: row[0]),
    "in": lambda x, i: x[i] in x,
    "equal": lambda x, i: (x == rows_list(), rows_list() == x, x != []),
    "less": lambda x, i: (x < [[10**6]], x < [[10**6]], x <= [[-1]], x >= [[-1]]),
    "copy": lambda x, i: x.copy(),
    "deepcopy": lambda x, i: copy.deepcopy(x),
    "pickle": lambda x, i: pickle.loads(pickle.dumps(x)),
    "json": lambda x, i: json.dumps(list(x)),
    "repr": lambda x, i: repr(x),
    "shuffle": lambda x, i: random.Random(i).shuffle(x),
    "choice": lambda x, i: random.Random(i).choice(x),
    "match": lambda x, i: _first(x),
    "alias": lambda x, i: x[3] is x[-1],
    "clear": lambda x, i: x.clear(),
}


def _first(x: Any) -> Any:
    match x:
        case [first, *_]:
            return first
    return None


def _plain(value: Any) -> str:
    return repr(value)


def same(acts: dict[str, Callable[[Any, Any], Any]], real: Any, program: list[tuple[str, Any]]) -> None:
    oracle, before = copy.deepcopy(real), pickle.dumps(real)
    lazy = forks.copy_on_write(real)
    for name, argument in program:
        results = []
        for tree in (oracle, lazy):
            try:
                results.append(_plain(acts[name](tree, argument)))
            except Exception as error:  # noqa: BLE001  it must fail alike
                results.append(f"{type(error).__name__}: {error}")
        assert results[0] == results[1], name
        assert pickle.dumps(real) == before
    assert _plain(lazy) == _plain(oracle)


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(st.sampled_from(sorted(DICT_ACTS)), key), max_size=12))
@pytest.mark.slow
def test_a_lazy_dictionary_is_a_deep_copy(program: list[tuple[str, Any]]) -> None:
    same(DICT_ACTS, rows_dict(), program)


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(st.sampled_from(sorted(LIST_ACTS)), index), max_size=12))
@pytest.mark.slow
def test_a_lazy_list_is_a_deep_copy(program: list[tuple[str, Any]]) -> None:
    same(LIST_ACTS, rows_list(), program)


@pytest.mark.parametrize("acts", ["dict", "list"])
def test_every_act_alone(acts: str) -> None:
    for name in DICT_ACTS if acts == "dict" else LIST_ACTS:
        if acts == "dict":
            same(DICT_ACTS, rows_dict(), [(name, "k1")])
        else:
            same(LIST_ACTS, rows_list(), [(name, 3)])


class Order(BaseModel):
    id: int
    items: list[dict[str, Any]]


class Database(BaseModel):
    orders: dict[str, Order]
    users: list[dict[str, Any]]
    names: list[str]
    settings: dict[str, list[int]]


class Service:
    def __init__(self) -> None:
        self.db = Database(
            orders={f"o{i}": Order(id=i, items=[{"sku": i}]) for i in range(N)},
            users=[{"name": f"u{i}", "orders": []} for i in range(N)],
            names=[f"n{i}" for i in range(N)],
            settings={"a": [1]},
        )
        self.raw: dict[str, Any] = {f"o{i}": {"id": i, "meta": {"tags": []}} for i in range(N)}

    def ship(self, order: str) -> dict[str, Any]:
        found: Order = self.db.orders[order]
        found.items.append({"sku": "new"})
        self.db.users[found.id]["orders"].append(order)
        self.db.names.append("x")
        self.db.settings["a"].append(2)
        self.raw[order]["meta"]["tags"].append("x")
        assert isinstance(self.raw, dict)
        return {**found.model_dump(), **self.raw[order]}

    def orders(self) -> Any:
        return self.raw

    def users(self) -> Any:
        return self.db.users

    def validates(self) -> int:
        return len(Database.model_validate(vars(self.db)).orders)

    def heap(self) -> Any:
        heapq.heapify(self.db.users)  # type: ignore[type-var]
        return self.db.users

    def dumps(self) -> Any:
        return self.db.model_dump()

    def swallows(self) -> str:
        try:
            heapq.heapify(self.db.users)  # type: ignore[type-var]
        except Exception:  # noqa: BLE001
            return "swallowed"
        return "sorted"


FORKS = [forks.of(db=forks.copy_on_write, raw=forks.copy_on_write), forks.copy_on_write]


@pytest.mark.parametrize("given_", FORKS)
async def test_a_service_over_a_large_tree(given_: Any) -> None:
    real = Service()
    before = pickle.dumps(real)
    tools = Toolset.from_object(real, fork=given_)
    for _ in range(2):
        attempt = fork(SANDBOX, tools)
        copied: Any = attempt.tools.owners[0]  # type: ignore[attr-defined]
        assert type(copied.db.orders) is LazyDict
        assert type(copied.db.users) is LazyList
        assert type(copied.db.names) is list
        assert type(copied.db.settings) is dict
        history = await play(attempt, [call("ship", order="o3"), call("orders"), call("users")])
        shipped, orders, users = (step.outcome.value for step in history)
        assert shipped == {"id": 3, "items": [{"sku": 3}, {"sku": "new"}], "meta": {"tags": ["x"]}}
        assert isinstance(orders, dict)
        assert isinstance(users, list)
        assert orders["o3"] == {"id": 3, "meta": {"tags": ["x"]}}
        assert orders["o4"] == {"id": 4, "meta": {"tags": []}}
        assert users[3] == {"name": "u3", "orders": ["o3"]}
        untouched = [row for row in dict.values(copied.raw) if type(row) is NotCopied]
        assert len(untouched) == N - 1
    assert pickle.dumps(real) == before


@pytest.mark.parametrize("name", ["validates", "heap", "dumps", "swallows"])
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
async def test_c_code_that_reads_past_the_methods_is_refused(name: str) -> None:
    real = Service()
    before = pickle.dumps(real)
    attempt = fork(SANDBOX, Toolset.from_object(real, fork=FORKS[0]))
    with pytest.raises(SimulationError, match="copied on write"):
        await attempt.predict(call(name), None, ())
    assert pickle.dumps(real) == before
