"""A shop whose tools use most of what a computed outcome can follow."""

from __future__ import annotations

import functools
import random
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum
from typing import Any

from artis_sdk.records import Outcome, Provenance, ToolCall
from artis_sdk.tools import Toolset, outside


class Status(Enum):
    OPEN = "open"
    SHUT = "shut"


class OutOfStock(Exception):
    def __init__(self, item: str, left: int) -> None:
        super().__init__(f"only {left} of {item}")
        self.item = item


@dataclass
class Item:
    name: str
    left: int
    price: float = 1.0
    until: date | None = None

    @property
    def sold_out(self) -> bool:
        return self.left == 0


@dataclass
class Shelf:
    items: dict[str, Item] = field(default_factory=dict)
    status: Status = Status.OPEN


def twice(function: Any) -> Any:
    @functools.wraps(function)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.shelf.status is Status.SHUT:
            raise PermissionError("the shop is shut")
        return function(self, *args, **kwargs)

    return wrapper


class Shop:
    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self.orders: dict[int, dict[str, Any]] = {}
        self.next = 1
        self.seen: list[str] = []
        self._secret = "s"
        self._random = random.Random(1)

    @twice
    def buy(self, name: str, count: int = 1) -> dict[str, Any]:
        item = self._item(name)
        if item.sold_out:
            return {"error": f"{name} is sold out"}
        if count > item.left:
            raise OutOfStock(name, item.left)
        item.left -= count
        self.orders[self.next] = {"name": name, "count": count, "paid": round(item.price * count, 2)}
        self.next += 1
        return {"order": self.next - 1, "left": item.left}

    def order(self, number: int) -> dict[str, Any]:
        try:
            return self.orders[number]
        except KeyError:
            raise LookupError(f"no order {number}") from None

    def fresh(self, name: str, day: str) -> bool:
        item = self._item(name)
        return item.until is None or datetime.strptime(day, "%Y-%m-%d").date() <= item.until

    def draw(self) -> dict[str, int]:
        found = self._random.randint(1, 6)
        self.next = found
        return {"number": found}

    def roll(self) -> dict[str, int]:
        self.next = random.randint(1, 6)
        return {"number": self.next}

    def unordered(self, way: str) -> Any:
        found = {"x", "y", way}
        if way == "text":
            return f"{[found]}"
        if way == "join":
            return ", ".join(found)
        if way == "list":
            return list(found)
        if way == "loop":
            return [one + way for one in found]
        return "x" in found and sorted(found)[0] == "x" and len(found) == 3

    def guess(self, number: int) -> str:
        if str(number) != self._secret:
            raise ValueError("wrong")
        return "right"

    def total(self) -> float:
        return sum(float(order["paid"]) for order in self.orders.values() if order["count"] > 0)

    def names(self, part: str) -> list[str]:
        return sorted(item.name for item in self.shelf.items.values() if part.lower() in item.name.lower())

    def _item(self, name: str) -> Item:
        item = self.shelf.items.get(name)
        if item is None:
            raise KeyError(name)
        return item


def make_shop(status: Status = Status.OPEN) -> Shop:
    items = [Item("tea", 3, 2.5, date(2026, 5, 1)), Item("milk", 0), Item("Teapot", 1, 20.0)]
    return Shop(Shelf({item.name: item for item in items}, status))


def real(tools: Toolset, call: ToolCall) -> Outcome:
    tool = tools[call.tool]
    try:
        with outside():
            value = tool(**call.arguments)
    except Exception as error:  # noqa: BLE001  whatever it raises is its outcome
        return tool.outcome_of_error(error, Provenance.REAL)
    return tool.outcome(value, Provenance.REAL)


CALLS: list[tuple[str, dict[str, Any]]] = [
    ("buy", {"name": "tea"}),
    ("buy", {"name": "tea", "count": 3}),
    ("buy", {"name": "tea", "count": 4}),
    ("buy", {"name": "milk"}),
    ("buy", {"name": "cake"}),
    ("order", {"number": 1}),
    ("order", {"number": 7}),
    ("fresh", {"name": "tea", "day": "2026-04-30"}),
    ("fresh", {"name": "tea", "day": "2026-05-02"}),
    ("fresh", {"name": "tea", "day": "soon"}),
    ("total", {}),
    ("names", {"part": "TEA"}),
]
