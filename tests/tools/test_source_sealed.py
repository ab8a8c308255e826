"""Reading sources runs no code of the application: no descriptor, metaclass, proxy or annotation."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any

import pytest

from artis_sdk.simulators.source_notes import SourceNotes
from artis_sdk.tools import GuardedTool, Toolset
from artis_sdk.tools.source_checks.read import read_tool


class on_the_class:
    def __init__(self, function: Any) -> None:
        self.function = function

    def __get__(self, instance: Any, owner: Any) -> Any:
        return self.function(owner)


class Settings:
    @on_the_class
    def limit(cls) -> int:
        return 5

    @on_the_class
    def Error(cls) -> type[Exception]:
        return ValueError

    @on_the_class
    def Kind(cls) -> type:
        return int


class Proxy:
    def __getattribute__(self, name: str) -> Any:
        return object.__getattribute__(self, name)

    def __call__(self, *values: Any) -> Any:
        return values

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 1

    def __repr__(self) -> str:
        return "proxy"


class Loud(type):
    def __getattribute__(cls, name: str) -> Any:
        return super().__getattribute__(name)

    def __subclasscheck__(cls, other: type) -> bool:
        return super().__subclasscheck__(other)

    def __instancecheck__(cls, value: object) -> bool:
        return False

    def __hash__(cls) -> int:
        return 1

    def __eq__(cls, other: object) -> bool:
        return cls is other

    @property
    def shared(cls) -> int:
        return 3


class Odd(Exception, metaclass=Loud):
    pass


class Thing(metaclass=Loud):
    def __init__(self) -> None:
        self.size = 1

    def check(self, number: int) -> None:
        if number > self.size:
            raise Odd("thing")


class Rows(dict[str, Thing]):
    def values(self) -> Any:
        return super().values()

    def items(self) -> Any:
        return super().items()


class Colour(Enum):
    RED = "red"

    @property
    def value(self) -> Any:
        return "loud"

    def __repr__(self) -> str:
        return "loud"


@dataclass
class Order:
    amount: int

    def __post_init__(self) -> None:
        if self.amount < Settings.limit:
            raise ValueError("small")


settings: Any = Proxy()
TABLE = {"proxy": settings, "colour": Colour.RED}
LIMIT: Any = settings


class Desk(metaclass=Loud):
    settings = settings

    def __init__(self) -> None:
        self.rows = Rows(a=Thing())
        self.proxy: Any = settings
        self.thing = Thing()

    @property
    def left(self) -> int:
        if self.thing.size > 3:
            raise RuntimeError("closed")
        return 1

    @cached_property
    def room(self) -> int:
        return 2

    def of_class(self, number: int) -> Any:
        if number > Settings.limit:
            raise ValueError(Settings.limit)
        return {"limit": Settings.limit, "shared": Odd.shared}

    def caught(self, number: int) -> str:
        try:
            if number > 3:
                raise KeyError(number)
            if number > 2:
                raise Odd("odd")
        except Settings.Error:
            return "settings"
        except Odd:
            return "odd"
        return "ok"

    def proxied(self, number: int) -> Any:
        if number > LIMIT:
            raise settings.Missing(settings.message, TABLE)
        settings(number)
        return {"error": settings.limit, "own": self.proxy.limit, "table": TABLE}

    def rowed(self, number: int) -> Any:
        for row in self.rows.values():
            row.check(number)
        self.rows["a"].check(number)
        return self.left + self.room

    def made(self, number: int) -> Any:
        if Colour.RED.value == "red":
            raise ValueError(Colour.RED)
        Thing().check(number)
        return Order(number).amount

    def helped(self, number: int) -> Any:
        return self._noted(number, number)

    def _noted(self, number: Settings.Kind, other: Settings.limit | int) -> Settings.limit:  # type: ignore
        if number > 2:
            raise Odd(number)
        return number

    def unlike(self, number: int) -> Any:
        return number


@contextmanager
def started() -> Iterator[set[str]]:
    """The functions of this file that start inside the block."""
    found: set[str] = set()

    def note(frame: Any, event: str, argument: Any) -> None:
        if event == "call" and frame.f_code.co_filename == __file__:
            found.add(frame.f_code.co_qualname)

    sys.setprofile(note)
    try:
        yield found
    finally:
        sys.setprofile(None)


TOOLS: dict[str, GuardedTool[..., Any]] = {tool.name: tool for tool in Toolset.from_object(Desk())}


@pytest.mark.parametrize("name", TOOLS)
def test_reading_runs_nothing(name: str) -> None:
    with started() as ran:
        notes = SourceNotes(list(TOOLS.values()), typed=True)
        notes.modes(name)
        notes.source(name)
        notes.reads(name)
        read_tool(TOOLS[name])
    assert ran - {"started"} == set()
