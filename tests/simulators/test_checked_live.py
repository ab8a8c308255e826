"""Live objects, annotations and defaults tell types, and none of their code runs for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeVar

import pytest
from pydantic import BaseModel, Field, field_serializer, field_validator

from artis_sdk.errors import SimulationError
from artis_sdk.records import ToolCall
from artis_sdk.simulators import Checked
from artis_sdk.tools import Toolset

RUN: list[str] = []
T = TypeVar("T")


class Loud(type):
    def __eq__(cls, other: object) -> bool:
        RUN.append("metaclass ==")
        return cls is other

    __hash__ = type.__hash__


class Box(Generic[T], metaclass=Loud):
    pass


class Liar:
    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        RUN.append("__class__")
        return dict

    def __eq__(self, other: object) -> bool:
        RUN.append("==")
        return True

    def __repr__(self) -> str:
        RUN.append("repr")
        return "1"

    __hash__ = None  # type: ignore[assignment]


LIAR: Any = Liar()


class Settings(Mapping[str, int]):
    def __init__(self) -> None:
        self.a = 1

    def __getitem__(self, key: str) -> int:
        RUN.append("item")
        return self.a

    def __iter__(self) -> Iterator[str]:
        RUN.append("iter")
        return iter("a")

    def __len__(self) -> int:
        RUN.append("len")
        return 1


class Price(BaseModel):
    amount: int = 1

    @field_serializer("amount")
    def shown(self, value: int) -> str:
        RUN.append("serializer")
        return f"{value} euros"


class Point:
    def __init__(self) -> None:
        self.x = 1


class Annotated:
    size: int
    liar: LIAR
    box: Box[int]
    __annotations__["liar"] = LIAR
    __annotations__["box"] = Box[int]

    def __init__(self) -> None:
        self.size = 2


def filled(item: int, items: list[Any] = []) -> int:  # noqa: B006
    items.append(item)
    return len(items)


class Holder:
    def __init__(self) -> None:
        self.places = [Point(), Settings(), Price()]
        self.annotated: list[Annotated] = []

    def x(self, place: int) -> Any:
        return self.places[place].x  # type: ignore[attr-defined]

    def made(self) -> int:
        return sum(one.size for one in self.annotated)

    def added(self, item: int) -> int:
        return filled(item)


@pytest.mark.parametrize(
    ("name", "arguments", "value"), [("x", {"place": 0}, 1), ("made", {}, 2), ("added", {"item": 1}, None)]
)
def test_types_are_told_by_live_objects_whose_code_does_not_run(
    name: str, arguments: dict[str, Any], value: Any
) -> None:
    holder = Holder()
    tools = Toolset.from_object(holder)
    state: Any = tools.state()
    state["Holder"]["annotated"] = [{"size": 2}]
    simulator: Any = Checked().fork(tools, None)  # type: ignore[arg-type]
    assert filled.__defaults__ is not None
    filled.__defaults__[0][:] = [LIAR]
    RUN.clear()
    try:
        found = simulator.compute(ToolCall(tool=name, arguments=arguments), state, ()).outcome.value
    except SimulationError:
        found = None
    assert (RUN, found) == ([], value)


# --- models as arguments ------------------------------------------------------------------------------


class Line(BaseModel):
    name: str
    count: int = 1

    @field_validator("name")
    @classmethod
    def lower(cls, value: str) -> str:
        return value.lower()

    @property
    def plural(self) -> bool:
        return self.count > 1


class Wanted(BaseModel):
    lines: list[Line] = Field(default_factory=list)
    note: str | None = Field(default=None, alias="remark")

    def total(self) -> int:
        return sum(line.count for line in self.lines)


class Till:
    def buy(self, wanted: Wanted) -> Any:
        return [wanted.total(), wanted.note, [(line.name, line.plural) for line in wanted.lines]]

    def dump(self, wanted: Wanted) -> Any:
        return wanted.model_dump()

    def compare(self, wanted: Wanted) -> Any:
        return wanted == Wanted()

    def missing(self, wanted: Wanted) -> Any:
        return wanted.price  # type: ignore[attr-defined]

    def change(self, wanted: Wanted) -> Any:
        wanted.note = "x"
        return wanted.note

    def back(self, wanted: Wanted) -> Any:
        return wanted


def computed(name: str) -> Any:
    tools = Toolset.from_object(Till())
    simulator: Any = Checked().fork(tools, None)  # type: ignore[arg-type]
    lines = [{"name": "TEA", "count": 2}, {"name": "Milk"}]
    call = ToolCall(tool=name, arguments={"wanted": {"lines": lines, "remark": "soon"}})
    return simulator.compute(call, tools.state(), ())


def test_the_fields_of_a_model_that_is_an_argument_are_read() -> None:
    assert computed("buy").outcome.value == [3, "soon", [["tea", True], ["milk", False]]]


def test_what_a_model_returned_looks_like_is_not_told() -> None:
    assert computed("back").outcome is None


@pytest.mark.parametrize("name", ["dump", "compare", "missing", "change"])
def test_what_pydantic_does_is_not_told(name: str) -> None:
    with pytest.raises(SimulationError, match="does not tell"):
        computed(name)
