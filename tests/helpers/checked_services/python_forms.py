"""Forms of Python whose order or identity matters: iterators, views, names, exceptions, assignments."""

# ruff: noqa: B023, F841
from __future__ import annotations

from typing import Any

FIRST = 10


class Coded(Exception):
    status = 400

    def __init__(self, text: str, *more: Any) -> None:
        super().__init__(text.upper(), *more)


class NotFound(Coded):
    status = 404


class Heat:
    def __init__(self, degrees: float) -> None:
        self._degrees = degrees

    @property
    def degrees(self) -> float:
        return self._degrees

    @degrees.setter
    def degrees(self, value: float) -> None:
        if value < -273:
            raise ValueError(f"{value} is too cold")
        self._degrees = value


class Forms:
    def __init__(self) -> None:
        self.queue = [2, 2, 4, 1]
        self.stock = {"a": 0, "b": 1, "c": 0}
        self.stack = [{"n": 1}, {"n": 2}]
        self.tick = 0

    def purge(self) -> Any:
        for number in self.queue:
            if number % 2 == 0:
                self.queue.remove(number)
        return self.queue

    def clean(self) -> Any:
        for name in self.stock:
            if self.stock[name] == 0:
                del self.stock[name]
        return len(self.stock)

    def once(self) -> Any:
        self.stack.pop()["n"] += 10
        return self.stack

    def viewed(self, names: dict[str, int]) -> Any:
        values = self.stock.values()
        self.stock["new"] = 1
        missing = self.stock.keys() - names.keys()
        return [
            len(values),
            sorted(missing),
            names.keys() <= self.stock.keys(),
            {"a": 1}.items() == {("a", 1)},
        ]

    def iterators(self, number: int) -> Any:
        pairs = zip([1, 2], "ab", strict=True)
        doubled = (one * number for one in [1, 2, 3])
        first = next(doubled)
        some = iter([1, 2, 3, 4])
        return [
            list(pairs),
            list(pairs),
            first,
            sum(doubled),
            list(doubled),
            list(zip(some, some, strict=True)),
        ]

    def stopped(self, number: int) -> Any:
        over = (one for one in [1, 2, 3])
        if any(one > number for one in over):
            return [list(over), next(iter([number])), next((n for n in [0] if n), None)]
        return list(enumerate(over)) + list(reversed([number])) + list(map(str, [number]))

    async def nothing(self, number: int) -> Any:
        return next(one for one in [1] if one > number)

    def late(self, number: int) -> Any:
        functions: list[Any] = [lambda: one for one in range(number)]
        early: list[Any] = [lambda k, one=one: k + one for one in range(number)]
        return [[f() for f in functions], [f(1) for f in early]]

    def counted(self, number: int) -> Any:
        total = 0

        def add(by: int, seen: list[int] = []) -> int:  # noqa: B006
            nonlocal total
            total += by
            seen.append(by)
            return len(seen)

        return [add(number), add(number), total]

    def unbound(self, number: int) -> Any:
        if number > 5:
            FIRST = 1
        return FIRST  # the local one

    def unbound_error(self, number: int) -> Any:
        try:
            1 / (number - 1)
        except ZeroDivisionError as error:
            text = str(error)
        return error is None  # noqa: F821

    def swapped(self, first: int, second: int) -> Any:
        queue = self.queue
        queue[first], queue[second] = queue[second], queue[first]
        same = queue
        same += [9]
        head, *rest = self.queue
        return [self.queue, head, rest]

    def caught(self, text: str) -> Any:
        try:
            raise NotFound(f"no {text}", (1, text))
        except Coded as error:
            if error.status == 404 and text == "x":
                raise
            return [error.status, error.args[0]]
        finally:
            self.tick += 1

    def chained(self, text: str) -> Any:
        try:
            return int(text)
        except ValueError as error:
            raise RuntimeError(f"bad number: {error}") from error

    def keys(self, text: str) -> Any:
        return {("EUR", "USD"): 1.1, ("EUR", "x"): 2}[("EUR", text)]

    def shown(self, number: int) -> Any:
        text = str(number)
        return [
            f"{number!r:>5}|{number!s:5}|{text!r:<6}|{None!s:>6}",
            {(number, 1): 2},
            f"{number=}",
            f"{(text,)}",
        ]

    def matched(self, text: str, number: int) -> Any:
        match text:
            case "add" if number > 0:
                return "added"
            case "sub" | "del":
                raise ValueError(f"cannot {text}")
            case other:
                return other

    def ordered(self, number: int) -> Any:
        found = {"x", "y", str(number)}
        numbers = [3, 1, number]
        numbers.sort(reverse=True)
        return [sorted(found), len(found), numbers, max(found), {1, number} == {number, 1}]

    def heated(self, degrees: float) -> Any:
        heat = Heat(1)
        heat.degrees = degrees
        heat.degrees += 1
        return heat.degrees

    def of_kind(self, value: Any) -> Any:
        return [isinstance(value, int | str), isinstance(value, (list, dict | None))]

    def as_text(self) -> Any:
        return f"{set(self.stock)}"


def make() -> list[object]:
    return [Forms()]


KINDS: list[Any] = [1, "a", None, [], {}, 1.5]
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("purge", {}),
    ("clean", {}),
    ("once", {}),
    ("viewed", {"names": {"a": 1}}),
    ("viewed", {"names": {"z": 1}}),
    *[("iterators", {"number": n}) for n in (1, 3)],
    *[("stopped", {"number": n}) for n in (1, 3)],
    *[("nothing", {"number": n}) for n in (0, 1)],
    *[("late", {"number": n}) for n in (0, 3)],
    ("counted", {"number": 2}),
    *[("unbound", {"number": n}) for n in (1, 9)],
    *[("unbound_error", {"number": n}) for n in (1, 3)],
    ("swapped", {"first": 0, "second": 3}),
    ("swapped", {"first": 0, "second": 99}),
    *[("caught", {"text": text}) for text in ("x", "y")],
    *[("chained", {"text": text}) for text in ("12", "q")],
    *[("keys", {"text": text}) for text in ("USD", "q")],
    ("shown", {"number": 3}),
    ("matched", {"text": "add", "number": 1}),
    ("matched", {"text": "add", "number": 0}),
    ("matched", {"text": "del", "number": 0}),
    ("ordered", {"number": 2}),
    *[("heated", {"degrees": degrees}) for degrees in (5, -300)],
    *[("of_kind", {"value": value}) for value in KINDS],
    ("as_text", {}),
]
