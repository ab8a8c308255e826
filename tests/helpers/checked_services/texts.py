"""Texts that are matched, searched, formatted and counted, and constants in the bodies of classes."""

# ruff: noqa: UP031, UP032
from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any

CODE = re.compile(r"([A-Z]{2})-(\d{1,3})(?P<end>x)?")


class Mark(Enum):
    NEW = "new"
    OLD = "old"


@dataclass
class Place:
    row: int
    seat: int


class Plain:
    def __init__(self, value: int) -> None:
        self.value = value


class Failed(Exception):
    pass


class Texts:
    prices = {"tea": Decimal("2.50"), "milk": Decimal("1.20")}  # noqa: RUF012
    kinds = ["tea", "milk"]  # noqa: RUF012
    changed = {"tea": 1}  # noqa: RUF012
    filled: dict[str, int] = {}  # noqa: RUF012
    shared = {"tea": 1}  # noqa: RUF012
    handed = ["tea"]  # noqa: RUF012

    def __init__(self) -> None:
        self.words = Counter("abca")
        self.made = datetime(2024, 3, 9, 23, 5)
        self.sparse: dict[str, Any] = {"a": defaultdict(int, x=1), "b": defaultdict(list, y=[1])}

    # --- patterns

    def sequence(self, value: Any) -> Any:
        first: Any = "before"
        rest: Any = None
        match value:
            case []:
                return "empty"
            case [1, first, *rest] if len(rest) > 1:
                return [first, rest]
            case [first, 9] | [9, first]:
                return f"nine and {first}"
            case [_, [a, *_], *_]:
                return a
            case str() | None:
                return "text"
        return [first, rest]

    def mapping(self, value: Any) -> Any:
        match value:
            case {"kind": "a", "of": {"n": int(n)}}:
                return n
            case {"kind": str(kind), **rest}:
                return [kind, rest]
            case {}:
                return "mapping"
            case bool(x) | float(x):
                return x
            case int(r):
                return ["int", r]
        return "other"

    def objects(self, row: int, seat: int) -> Any:
        match [Place(row, seat), Plain(row)]:
            case [Place(0, seat=s), _]:
                return ["front", s]
            case [Place(row=r), Plain(value=1)]:
                return ["one", r]
            case [Place(r, 7), Plain(wrong=_)]:  # type: ignore[misc]
                return ["wrong", r]
            case [Place() as place, _]:
                return place.seat

    def marked(self, text: str) -> Any:
        match Mark(text):
            case Mark.NEW:
                return 1
            case Mark.OLD:
                return 2

    # --- formats

    def percents(self, number: int, text: str) -> Any:
        return [
            "%s has %d%%" % (text, number),
            "%05.1f|%-5s|%+d|%x" % (number, text, number, number),
            "%(a)s" % {"a": text},
            "%s" % text,
            "%r %s" % (text, [number]),
            "%s" % Failed(text),
        ]

    def percent(self, text: str, value: Any) -> Any:
        return text % value

    def formats(self, number: int, text: str) -> Any:
        return [
            "{} of {!r}".format(number, text),
            "{1:>6}|{0:+.2f}|{1}".format(number, text),
            "{n:,} {t:*^9}".format(n=number * 1000, t=text),
            f"{number:>+6}|{text:.<8}|{number:#x}|{number:e}|{number:_}",
        ]

    def format(self, text: str, value: Any) -> Any:
        return text.format(value, name=value)

    def dated(self) -> Any:
        return [self.made.strftime("%d.%m.%y %H:%M"), f"{self.made.date():%Y/%j}"]

    # --- searches

    def searched(self, text: str) -> Any:
        found = CODE.fullmatch(text)
        if found is None:
            return bool(re.search(r"\d+", text))
        return [found[1], found.group(1, 2), found.groups(), found.groupdict(), found.span("end")]

    def mailed(self, text: str) -> Any:
        if not re.match(r"[^@\s]+@[^@\s]+\.[a-z]+$", text, re.IGNORECASE):
            raise ValueError(f"bad address {text!r}")
        return re.sub(r"\s+", " ", text).split("@")

    def parts(self, text: str) -> Any:
        return [re.findall(r"[a-z]+", text), re.split(r"[,;]\s*", text), re.findall(r"(\w)=(\d)", text)]

    def endless(self, text: str) -> Any:
        return re.match(r"(a+)+$", text) is None

    def optional(self, text: str) -> Any:
        return re.match(r"a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?b", text) is None

    def from_there(self, text: str) -> Any:
        return CODE.match(text, 1) is None

    # --- counts

    def counted(self, text: str) -> Any:
        words = Counter(text.split())
        words["more"] += 1
        words.update(["more", "less"])
        most = [word for word, _ in words.most_common(2)]
        return [most, words["never"], "never" in words, dict(words), words.total(), str(words)]

    def kept_count(self, letter: str) -> Any:
        self.words[letter] += 2
        self.words.subtract("a")
        return [self.words.most_common(1), self.words["zz"], len(self.words), self.words + Counter("c")]

    def unlike(self, name: str) -> Any:
        return [self.sparse[name]["none"], len(self.sparse[name])]

    # --- constants

    def priced(self, name: str) -> Any:
        return [self.prices.get(name), name in self.kinds, sorted(Texts.prices), [*self.kinds]]

    def bought(self, name: str) -> Any:
        self.changed[name] -= 1
        return self.changed[name]

    def registered(self) -> Any:
        return len(self.filled)

    def own(self) -> Any:
        self.shared = {"milk": 2}
        return Texts.shared

    def escaping(self, name: str) -> Any:
        add = self.handed.append
        add(name)
        return len(self.handed)


def make() -> list[Any]:
    return [Texts()]


CALLS: list[tuple[str, dict[str, Any]]] = [
    *(("sequence", {"value": value}) for value in (
        [], [1], [1, 2], [1, 2, 3, 4], [3, 9], [9, 3], [0, [5, 6], 7], "ab", None, {"a": 1}, [0, 0],
    )),
    *(("mapping", {"value": value}) for value in (
        {"kind": "a", "of": {"n": 3}}, {"kind": "a", "of": {"n": "3"}}, {"kind": 1}, {}, True, 1.5, 3, "a",
    )),
    *(("objects", {"row": row, "seat": seat}) for row, seat in ((0, 1), (1, 2), (2, 7), (2, 8))),
    *(("marked", {"text": text}) for text in ("new", "old", "none")),
    ("percents", {"number": 7, "text": "tea"}),
    *(("percent", {"text": text, "value": value}) for text, value in (
        ("%d", 1), ("%d", "a"), ("%s %s", "a"), ("none", "a"), ("%s", [1, "a"]), ("%5d|", 12), ("%x", 255),
        ("%c", 65), ("%e", 1234.5),
    )),
    ("formats", {"number": 7, "text": "tea"}),
    *(("format", {"text": text, "value": value}) for text, value in (
        ("{}", 1), ("{0} {name}", 1.5), ("{1}", 1), ("{missing}", 1), ("{:d}", "a"), ("{{}}", 1),
        ("{!r:>5}", "a"),
    )),
    ("dated", {}),
    *(("searched", {"text": text}) for text in ("AB-12", "AB-12x", "ab", "a1")),
    *(("mailed", {"text": text}) for text in ("a@b.com", "A@B.COM", "a b@c.de", "ab")),
    ("parts", {"text": "a=1, bc=2;d"}),
    ("endless", {"text": "aaaaaaaaaaaaaab"}),
    ("optional", {"text": "aaaaaaaaaaaaaaaaaaaaac"}),
    ("from_there", {"text": "xAB-1"}),
    ("counted", {"text": "a b a more"}),
    ("counted", {"text": ""}),
    ("kept_count", {"letter": "a"}),
    ("kept_count", {"letter": "z"}),
    ("unlike", {"name": "a"}),
    ("unlike", {"name": "b"}),
    ("priced", {"name": "tea"}),
    ("priced", {"name": "beer"}),
    ("bought", {"name": "tea"}),
    ("registered", {}),
    ("own", {}),
    ("escaping", {"name": "milk"}),
]  # fmt: skip
