"""What a state tells of its types with a live object beside it, without one, and how long that takes."""

from __future__ import annotations

import asyncio
import copy
import time
from collections import deque
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Optional

import pytest

from artis_sdk.errors import SimulationError
from artis_sdk.records import ToolCall
from artis_sdk.simulators import Checked
from artis_sdk.tools import Toolset


class Color(Enum):
    RED = "red"


class Odd(Enum):
    ONE = "one"

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = Enum.__hash__


class Item:
    def __init__(self, name: str) -> None:
        self.name = name


class Special(Item):
    pass


class Plain:
    def __init__(self, left: int) -> None:
        self.left = left


class Loose:
    """Attributes that are None by now, so that only annotations tell what they were."""

    def __init__(self) -> None:
        self.text: str | None = None
        self.note: Any = None
        self.number: float | None = None
        self.price: Decimal | None = None
        self.day: date | None = None
        self.at: datetime | None = None
        self.color: Optional[Color] = None  # noqa: UP045
        self.odd = Odd.ONE
        self.item: Item | None = None
        self.plain: Plain | None = None
        self.known: dict[str, int] | None = None
        self.rows: Any = None
        self.recent = deque([1, 2])

    def of_text(self) -> Any:
        return [self.text, self.text == "12"]

    def of_note(self) -> Any:
        return self.note == "12"

    def of_number(self) -> Any:
        return self.number is not None and self.number > 3

    def of_price(self) -> Any:
        return str(self.price * 2) if self.price is not None else ""

    def of_day(self) -> Any:
        return None if self.day is None else self.day.year

    def of_at(self) -> Any:
        return None if self.at is None else self.at.isoformat()

    def of_color(self) -> Any:
        return self.color is Color.RED

    def of_odd(self) -> Any:
        return self.odd == Color.RED

    def of_item(self) -> Any:
        return None if self.item is None else self.item.name

    def of_plain(self) -> Any:
        return None if self.plain is None else self.plain.left

    def of_known(self) -> Any:
        return (self.known or {}).get("a")

    def of_rows(self) -> Any:
        return f"{self.rows}"

    def of_recent(self) -> Any:
        return self.recent[0]


def told(tools: Toolset, state: Any, name: str, **arguments: Any) -> Any:
    simulator = Checked().fork(tools, None)  # type: ignore[arg-type]
    return asyncio.run(simulator.predict(ToolCall(tool=name, arguments=arguments), state, ())).value


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("text", "12", ["12", True]),
        ("number", 4, True),
        ("price", "1.50", "3.00"),
        ("day", "2026-01-01", 2026),
        ("at", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00+00:00"),
        ("color", "red", True),
        ("plain", {"left": 3}, 3),
        ("known", {"a": 1}, 1),
    ],
)
def test_an_annotation_tells_a_type_where_it_is_exact(name: str, value: Any, expected: Any) -> None:
    tools = Toolset.from_object(Loose())
    state: Any = tools.state()
    state["Loose"][name] = value
    assert told(tools, state, f"of_{name}") == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("note", "12"),
        ("note", "2026-01-01"),
        ("note", "<Item>"),
        ("number", "Infinity"),
        ("at", "2026-01-01T00:00:00+02:00"),
        ("odd", "one"),
        ("item", {"name": "a"}),
        ("rows", [1, 2]),
        ("rows", {"a": 1}),
        ("recent", [1, 2]),
    ],
)
def test_what_neither_state_nor_annotation_tells_is_not_told(name: str, value: Any) -> None:
    tools = Toolset.from_object(Loose())
    state: Any = tools.state()
    state["Loose"][name] = value
    with pytest.raises(SimulationError, match="source"):
        told(tools, state, f"of_{name}")


class Painted:
    def __init__(self) -> None:
        self.rows: Any = {}
        self.names: dict[str, str] = {}

    def painted(self, key: str) -> Any:
        return [self.rows[key]["color"].value, self.names]

    def named(self, key: str) -> Any:
        return self.names[key] + "!"


@pytest.mark.parametrize(("color", "tells"), [("red", False), ("green", True)])
def test_a_text_that_a_member_shows_as_is_not_told_from_it(color: str, tells: bool) -> None:
    """Without a live value a text may be a member of an enumeration that the module names."""
    tools = Toolset.from_object(Painted())
    state: Any = tools.state()
    state["Painted"] |= {"rows": {"a": {"color": color}}, "names": {"a": "red"}}
    if not tells:
        with pytest.raises(SimulationError, match="may be a member of an enumeration"):
            told(tools, state, "painted", key="a")
    assert told(tools, state, "named", key="a") == "red!"


class Pair:
    def __init__(self) -> None:
        self.items = {"a": Plain(1), "b": Plain(2)}
        self.current = self.items["a"]

    def lower(self) -> Any:
        self.current.left -= 1
        return self.items["a"].left


def test_the_live_object_gives_types_and_sameness_and_no_values() -> None:
    pair = Pair()
    tools = Toolset.from_object(pair)
    state: Any = copy.deepcopy(tools.state())
    pair.current.left = 50
    assert told(tools, state, "lower") == 0
    state["Pair"]["current"]["left"] = 7
    assert told(tools, state, "lower") == 1, "they were not the same then"


class Loud(type):
    RUN: list[str] = []  # noqa: RUF012

    def __hash__(cls) -> int:
        Loud.RUN.append("hash")
        return 1

    def __eq__(cls, other: object) -> bool:
        Loud.RUN.append("==")
        return cls is other


class Owner(metaclass=Loud):
    def __init__(self) -> None:
        self.number: int = 1
        self.rows = [{"id": n, "name": "n"} for n in range(10)]

    def more(self, by: int) -> int:
        return self.number + by

    def kinds(self) -> bool:
        return isinstance(self, Owner)


def test_no_metaclass_runs() -> None:
    tools = Toolset.from_object(Owner())
    state = tools.state()
    Loud.RUN.clear()
    assert told(tools, state, "more", by=1) == 2
    with pytest.raises(SimulationError):
        told(tools, state, "kinds")
    assert not Loud.RUN


class Large:
    def __init__(self, count: int) -> None:
        self.rows: Any = [{"id": n, "name": "n"} for n in range(count)]

    def ranges(self, count: int) -> int:
        total = 0
        for _ in range(count):
            total += sum(range(99_999))
        return total

    def splits(self, text: str) -> int:
        parts: list[str] = []
        for _ in range(2000):
            parts = text.split("a")
        return len(parts)

    def fine(self, number: int) -> int:
        return number


@pytest.mark.parametrize(
    ("count", "name", "arguments"),
    [
        (1, "ranges", {"count": 500}),
        (1, "splits", {"text": "a" * 90_000}),
        (60_000, "fine", {"number": 1}),
    ],
)
def test_a_prediction_is_bounded_in_time(count: int, name: str, arguments: dict[str, Any]) -> None:
    tools = Toolset.from_object(Large(count))
    state = tools.state()
    began = time.process_time()
    with pytest.raises(SimulationError, match="does not tell"):
        told(tools, state, name, **arguments)
    assert time.process_time() - began < 2


class Named:
    def __init__(self) -> None:
        self.items = {"a": Plain(1), "b": Plain(2)}
        self.current: Plain | None = self.items["a"]

    def lower(self) -> Any:
        assert self.current is not None
        self.current.left -= 1
        return self.items["b"].left

    def is_b(self) -> Any:
        return self.current is self.items["b"]

    def looked(self) -> Any:
        unknown = self.nothing  # type: ignore[attr-defined]  # noqa: F841
        return "fine"


@pytest.mark.parametrize("now", ["a", None])
def test_objects_that_may_have_been_one_are_not_told_apart(now: str | None) -> None:
    named = Named()
    named.current = None if now is None else named.items[now]
    tools = Toolset.from_object(named)
    state: Any = tools.state()
    state["Named"]["current"] = {"left": 2}  # the object under "b", or one like it
    for name in ("lower", "is_b", "looked"):
        with pytest.raises(SimulationError, match="source"):
            told(tools, state, name)
    state["Named"]["current"] = {"left": 9}
    assert told(tools, state, "lower") == 2


class Mixed:
    def __init__(self) -> None:
        self.every: list[Item] = [Item("a"), Special("b")]
        self.alone = [Item("a")]

    def kind(self, at: int) -> Any:
        return type(self.every[at]).__name__

    def alone_kind(self, at: int) -> Any:
        return type(self.alone[at]).__name__


def test_which_class_an_item_has_is_told_only_at_its_own_place() -> None:
    tools = Toolset.from_object(Mixed())
    state: Any = copy.deepcopy(tools.state())
    assert told(tools, state, "kind", at=1) == "Special"
    state["Mixed"]["every"].reverse()
    state["Mixed"]["alone"].append({"name": "b"})
    for name in ("kind", "alone_kind"):
        with pytest.raises(SimulationError, match="source"):
            told(tools, state, name, at=1)


class Single:
    def __init__(self) -> None:
        self.rows = [Plain(1)]

    def lower(self) -> Any:
        self.rows[1].left -= 1
        return [row.left for row in self.rows]


def test_one_live_item_does_not_stand_for_several_of_the_state() -> None:
    tools = Toolset.from_object(Single())
    state: Any = copy.deepcopy(tools.state())
    state["Single"]["rows"] += [{"left": 2}, {"left": 3}]
    assert told(tools, state, "lower") == [1, 1, 3]
