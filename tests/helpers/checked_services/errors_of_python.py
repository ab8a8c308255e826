"""Errors whose words depend on where they arise, and things that are one or not: easily told wrongly."""

# ruff: noqa: C417
from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Final


class Refused(Exception):
    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.code = code


class Named(Exception):
    def __init__(self, name: str) -> None:
        super().__init__(name=name)  # type: ignore[call-arg]


class Child:
    def __init__(self, name: str) -> None:
        super().__init__(name)  # type: ignore[call-arg]
        self.name = name


class Special(property):
    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return "its own way"


class Guessing:
    def __init__(self) -> None:
        self.known = None

    @property
    def first(self) -> Any:
        return self.known.first  # type: ignore[attr-defined]

    def __getattr__(self, name: str) -> Any:
        return name


@dataclass
class Order:
    number: int
    lines: list[int] = field(default_factory=list)
    state: str = field(init=False, default="new")


@dataclass(slots=True)
class Slotted:
    number: int
    state: str = field(init=False, default="new")


def first(number: int) -> int:
    return number


class Words:
    def __init__(self) -> None:
        self.total = 0
        self.price = Decimal("1.5")
        self.rows = [1, 2]

    @Special
    def special(self) -> str:
        return "the function's"

    def specially(self) -> Any:
        return self.special

    def unpacked(self, value: Any) -> Any:
        one, two = value
        return [one, two]

    def looped(self, value: Any) -> Any:
        return [one for one, two in value]

    def starred(self, value: Any) -> Any:
        return [*value]

    def starred_wrongly(self, value: Any) -> Any:
        return [*value]

    def passed(self, value: Any) -> Any:
        return max(*value)

    def passed_wrongly(self, value: Any) -> Any:
        return max(*value)

    def added(self, value: Any) -> Any:
        self.total += value
        return self.total

    def priced(self, value: Any) -> Any:
        price = self.price
        price -= value
        return price

    def divided(self, value: Any) -> Any:
        rows = {"number": 5}
        rows["number"] //= value
        return rows

    def powered(self, value: Any) -> Any:
        number = 5
        number **= value
        return number

    def repeated(self, value: Any) -> Any:
        rows = self.rows
        rows *= value
        return [self.rows, rows is self.rows]

    def worded(self, code: int) -> Any:
        try:
            raise Refused("refused", code)
        except Refused as error:
            error.args = (f"order: {error}",)
            error.code += 1
            raise

    def handled(self, code: int) -> Any:
        try:
            self.worded(code)
        except Refused as error:
            return [str(error), error.code, error.args]

    def named(self) -> Any:
        raise Named("a")

    def made(self) -> Any:
        return Child("a").name

    def guessed(self) -> Any:
        return Guessing().first

    def same_function(self) -> Any:
        function = first
        return function is first

    def equal_functions(self) -> Any:
        return first in [first]

    def function_as_key(self) -> Any:
        return {first: 1}.get(first)

    def no_function(self) -> Any:
        function: Any = None or first
        return [function is None, function == 1, function(2)]

    def mapped(self) -> Any:
        rest = iter([1, 2, 3, 4, 5])
        return list(map(lambda one: (one, next(rest)), rest))

    def fields(self) -> Any:
        return [Order(1), Order(2).state, Slotted(3), [Order(4).state]]

    def backwards(self, value: Any) -> Any:
        return list(reversed(value))

    def joined(self, value: Any) -> Any:
        return ",".join(value)

    def attribute(self) -> Any:
        return self.price.amount  # type: ignore[attr-defined]

    def attribute_of_date(self) -> Any:
        return date(2024, 1, 2).hours  # type: ignore[attr-defined]

    def exits(self) -> Any:
        raise SystemExit(2)

    def asserted(self, value: int) -> Any:
        assert value > 1, f"{value} is too small"
        return value

    def sorted_set(self, one: Any, two: Any) -> Any:
        return sorted({one, two})

    def sorted_mixed(self, one: Any, two: Any) -> Any:
        return sorted({one, two})


def make() -> list[Any]:
    return [Words()]


_NO_ITEMS: Final = (None, 5, 0, 2.5, True)
_ITEMS: Final = ("ab", [1, 2], [[1, 2]], {"a": 1})
_EITHER: Final = (
    "unpacked", "looped", "added", "priced", "divided", "powered", "repeated", "backwards", "joined",
)  # fmt: skip
CALLS: list[tuple[str, dict[str, Any]]] = [
    *((name, {"value": value}) for name in _EITHER for value in (*_NO_ITEMS, *_ITEMS)),
    *((name, {"value": value}) for name in ("starred", "passed") for value in _ITEMS),
    *((f"{name}_wrongly", {"value": value}) for name in ("starred", "passed") for value in _NO_ITEMS),
    ("specially", {}),
    ("worded", {"code": 1}),
    ("handled", {"code": 1}),
    ("named", {}),
    ("made", {}),
    ("guessed", {}),
    ("same_function", {}),
    ("equal_functions", {}),
    ("function_as_key", {}),
    ("no_function", {}),
    ("mapped", {}),
    ("fields", {}),
    ("attribute", {}),
    ("attribute_of_date", {}),
    ("exits", {}),
    ("asserted", {"value": 1}),
    ("sorted_set", {"one": 2, "two": 1}),
    ("sorted_mixed", {"one": 1, "two": "x"}),
]
