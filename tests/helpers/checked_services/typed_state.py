"""State whose JSON does not show its types: members of enumerations, decimals, dates, tuples, sets, keys."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum, Flag, IntEnum, StrEnum
from typing import Any


class Status(Enum):
    OPEN = "open"
    HELD = "held"

    @property
    def final(self) -> bool:
        return self is Status.HELD

    def following(self) -> Status:
        return Status.HELD if self is Status.OPEN else Status.OPEN


class Word(str, Enum):  # noqa: UP042  whose text is not its value
    YES = "yes"
    NO = "no"


class Level(IntEnum):
    LOW = 1
    HIGH = 3


class Kind(StrEnum):
    BUG = "bug"
    TASK = "task"


class Right(Flag):
    READ = 1
    WRITE = 2


class Planet(Enum):
    EARTH = (1, 2)
    MARS = (3, 4)


@dataclass
class Line:
    sku: str
    price: Decimal
    count: int


@dataclass(frozen=True)
class Point:
    x: int
    y: int = 0


class Typed:
    def __init__(self) -> None:
        self.status = Status.OPEN
        self.word: Word = Word.YES
        self.level = Level.LOW
        self.rights = Right.READ | Right.WRITE
        self.planet = Planet.EARTH
        self.jobs = {"a": {"status": Status.OPEN, "n": 1}}
        self.counts = {Status.OPEN: 1, Status.HELD: 3}
        self.balance = Decimal("10.50")
        self.lines = [Line("a", Decimal("1.25"), 2), Line("b", Decimal("2.00"), 1)]
        self.opened = datetime(2026, 1, 5, 9)
        self.events: dict[str, Any] = {"lunch": {"start": datetime(2026, 1, 6, 12), "minutes": 60}}
        self.holidays = {date(2026, 1, 1): "new year", date(2026, 12, 25): "christmas"}
        self.due: date = datetime(2026, 1, 1, 5)
        self.wait = timedelta(days=2)
        self.sizes = ("S", "M")
        self.version = (1, 4)
        self.roles = {"admin", "user"}
        self.seats = {(1, "A"): "ann", (1, "B"): None}
        self.prices = {1.5: "low", 2.5: "high"}
        self.orders = {1: {"n": 1}, 2: {"n": 2}}
        self.tally: defaultdict[str, int] = defaultdict(int)
        self.limit = float("inf")
        self.digits = "12"
        self.day = "2026-01-01"
        self.points = [Point(1), Point(2, 3)]

    def members(self) -> Any:
        self.status = self.status.following()
        return [self.status.value, self.status.name, f"{self.status}", repr(self.status), self.status.final]

    def word_text(self) -> Any:
        return [f"{self.word}", self.word == "yes", self.word.upper(), self.word + "!", [self.word]]

    def argument(self, status: Status, level: Level, kind: Kind) -> Any:
        if kind is Kind.BUG:
            raise ValueError(f"{kind} in {status}: {[kind, level]}")
        return [status is self.status, level.name, level > self.level, Status(status.value).name]

    def looked_up(self, name: str) -> Any:
        return [Status[name].value, name in Status.__members__, [one.value for one in Status]]

    def parsed(self, text: str) -> Any:
        return Status(text).name

    def counted(self) -> Any:
        found = [n for status, n in self.counts.items() if status in (Status.HELD,)]
        return [found, self.counts[Status.OPEN], self.jobs["a"]["status"] is Status.OPEN]

    def on_planet(self) -> Any:
        return [self.planet is Planet.EARTH, self.planet.value]

    def pay(self, amount: int) -> Any:
        if self.balance < amount:
            raise ValueError(f"only {self.balance}")
        self.balance -= amount
        return [str(self.balance), str(sum(line.price * line.count for line in self.lines))]

    def clash(self, start: datetime, minutes: int) -> Any:
        for name, event in self.events.items():
            if start < event["start"] + timedelta(minutes=event["minutes"]):
                raise ValueError(f"{name} is at {event['start']:%Y-%m-%d %H:%M}")
        return [self.opened.year, (start - self.opened).days, str(self.wait), minutes]

    def holiday(self, after: date) -> Any:
        for day, name in self.holidays.items():
            if day > after:
                return [name, day.isoformat(), self.due.day]
        raise LookupError(f"none after {after}")

    def sized(self, size: str) -> Any:
        if size not in self.sizes:
            raise ValueError(f"size must be one of {self.sizes}")
        return [
            self.sizes == ("S", "M"),
            self.version < (2, 0),
            type(self.sizes).__name__,
            (*self.sizes, "L"),
        ]

    def allowed(self, role: str) -> Any:
        if not {role} <= self.roles:
            raise PermissionError(role)
        return [sorted(self.roles | {"x"}), len(self.roles)]

    def keyed(self, row: int) -> Any:
        self.orders[row + 2] = {"n": row}
        return [
            [seat for seat in self.seats if seat[0] == row],
            [price for price in self.prices if price > row],
            {**self.orders}[row],
            dict(self.orders).get(row + 1),
        ]

    def tallied(self, name: str) -> Any:
        self.tally[name] += 1
        return [self.tally[name], str(self.tally), self.tally["new"], self.limit < 5]

    def texts(self) -> Any:
        return [self.digits + "3", int(self.digits), self.day[:4], self.day > "2025"]

    def compared(self, x: int) -> Any:
        return [Point(x) in self.points, self.points.index(Point(2, 3)), {Point(x): 1}.get(Point(1))]


def make() -> list[object]:
    return [Typed()]


CALLS: list[tuple[str, dict[str, Any]]] = [
    ("members", {}),
    ("word_text", {}),
    ("argument", {"status": "open", "level": 3, "kind": "bug"}),
    ("argument", {"status": "held", "level": 1, "kind": "task"}),
    ("looked_up", {"name": "OPEN"}),
    ("looked_up", {"name": "nothing"}),
    ("parsed", {"text": "held"}),
    ("parsed", {"text": "nothing"}),
    ("counted", {}),
    ("on_planet", {}),
    ("pay", {"amount": 3}),
    ("pay", {"amount": 30}),
    ("clash", {"start": "2026-01-06T09:05:00", "minutes": 5}),
    ("clash", {"start": "2026-02-06T09:05:00", "minutes": 5}),
    ("holiday", {"after": "2026-02-01"}),
    ("holiday", {"after": "2027-02-01"}),
    ("sized", {"size": "S"}),
    ("sized", {"size": "Q"}),
    ("allowed", {"role": "admin"}),
    ("allowed", {"role": "x"}),
    ("keyed", {"row": 1}),
    ("keyed", {"row": 9}),
    ("tallied", {"name": "a"}),
    ("texts", {}),
    ("compared", {"x": 1}),
    ("compared", {"x": 7}),
]
