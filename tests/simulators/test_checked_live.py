"""Live objects, annotations and defaults tell types, and none of their code runs for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeVar

import pytest
from pydantic import BaseModel, field_serializer

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
        return self.places[place].x  # type: ignore[union-attr]

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
