"""The numbers of a request, and whether calls have them: as they stand, or as a tool's units want them.

Comparing is what a small judge is worst at, so it is told what this finds. *2 hours* is 120 where a tool
counts minutes, *3pm* is 15:00, *the 5th* is 2026-12-05, *half of the 80* is 40; a limit, such as *under 500*,
need not stand in a call.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

NUMBER: Final = re.compile(r"\b[A-Za-z]*\d(?:[\w.,]*\w)?\b")
"""A number, or an identifier with digits."""
_AMOUNT: Final = re.compile(r"([\d.,]*\d)([a-z]*)")
_UNIT: Final = re.compile(r"(?:\s?-?([a-z]+)\b|\s?([%€$£]))")
_CLOCK: Final = re.compile(r"(?::\d\d)?\s?([ap])\.?m\b")
_AT: Final = re.compile(r"\b(?:at|around|until|till)\s+$")
_SIGN: Final = r"(?:(?:the|my|our|his|her|its|their|that|those|these)\s+)?(?:[$€£]\s?)?"
_SHARES: Final = {
    "half": 1 / 2, "third": 1 / 3, "two thirds": 2 / 3, "quarter": 1 / 4, "three quarters": 3 / 4,
    "twice": 2, "double": 2, "triple": 3,
}  # fmt: skip
_SHARE: Final = re.compile(rf".*\b({'|'.join(_SHARES)})\s+(?:of\s+)?{_SIGN}", re.DOTALL)
_PERCENT: Final = re.compile(rf".*?(\d+(?:\.\d+)?)\s?(?:%|percent)\s+of\s+{_SIGN}", re.DOTALL)
_LIMIT: Final = re.compile(
    r".*\b(?:under|below|over|above|within|(?:budget|limit)(?:\s+(?:of|is))?|at\s+(?:most|least)|up\s+to"
    r"|(?:more|less|fewer|cheaper|higher|lower|longer|shorter|larger|smaller|later|earlier)\s+than"
    r"|(?:cost|pric|worth)\w*(?:\s+(?:of|at|is))?"
    rf"|max(?:imum)?(?:\s+of)?|min(?:imum)?(?:\s+of)?)\s+{_SIGN}",
    re.DOTALL,
)
_OWN_ID: Final = re.compile(r"\bmy\s+(?:user|client|customer|member)?[\s_]*id(?:\s+is)?\s+['\"]?$")
CONDITION: Final = re.compile(r"\b(?:if|unless|else|otherwise|in case)\b")
SENTENCE: Final = re.compile(r"[.!?]\s|\n")
_SPLIT: Final = re.compile(r"\b(?:split|divide|share)\b")
_SUM: Final = re.compile(r"\b(?:plus|total|together|altogether|sum|another|additional|extra)\b")
_BETWEEN: Final = re.compile(r"[\s,]*(?:and\s+)?")
_DIGITS: Final = re.compile(r"\+?\d+(?:[\s().-]+\d+)+")
_LONG: Final = re.compile(r"\d{5,}")  # which an identifier may have behind letters
_CENTS: Final = re.compile(r"\b(?:cents?|pence|minor units?|smallest (?:currency )?unit)\b", re.IGNORECASE)

_SECONDS: Final = {
    "s": 1, "sec": 1, "second": 1, "min": 60, "minute": 60, "h": 3600, "hr": 3600, "hour": 3600,
    "d": 86400, "day": 86400, "week": 604800, "year": 31536000,
}  # fmt: skip
_COUNTED: Final = (0.001, 1, 60, 3600, 86400)  # what tools count, in seconds: from milliseconds to days
_FACTORS: Final = {
    "k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6, "bn": 1e9, "billion": 1e9, "dozen": 12, "year": 12,
    "km": 1e3, "kilometer": 1e3, "kilometre": 1e3, "kg": 1e3, "kilo": 1e3, "liter": 1e3, "litre": 1e3,
    "gb": 1024, "mb": 1024, "kb": 1024, "%": 0.01, "percent": 0.01, "cent": 0.01, "pence": 0.01,
}  # fmt: skip
_OTHERS: Final = (60, 3600, 24, 1440, 86400, 7, 12, 1e3)  # of units in another language
_MONEY: Final = {"dollar", "buck", "euro", "pound", "franc", "usd", "eur", "gbp", "chf", "$", "€", "£"}
_MONEY_BEFORE: Final = re.compile(r"(?:\b(?:usd|eur|gbp|chf)|[$€£])\s?$")
_PRICE: Final = re.compile(rf"[$€£]|\b(?:{'|'.join(filter(str.isalpha, _MONEY))})s?\b", re.IGNORECASE)
_NEAR: Final = 60  # characters on each side of a number that are looked at
_SENTENCE_NEAR: Final = 200
_MOST_PARTS: Final = 12  # of an amount that is split
_MOST_SUMMED: Final = 50  # numbers of a request of which sums are looked at

Value = str | float


@dataclass(frozen=True, slots=True)
class AskedNumber:
    """A number, or an identifier with digits, in a request."""

    text: str
    values: frozenset[Value]
    """Values of which a call should have one."""
    is_needed: bool = True
    """Whether a call should have it; a limit, or a share of something unsaid, need not stand in one."""
    is_count: bool = False
    """Whether it may tell how often something is done, or to how many."""
    seconds: float = 0.0
    """The length of time that it tells."""
    span: tuple[int, int] = (0, 0)
    """Where it stands in the request."""


class MadeNumbers:
    """The numbers and identifiers in the arguments of calls.

    Args:
        texts: arguments of each call as JSON.
        tools: tool of each call.
    """

    def __init__(self, texts: Iterable[str], tools: Iterable[str] = ()) -> None:
        self.texts = tuple(texts)
        self.counts: frozenset[Value] = frozenset(map(float, Counter(tools).values())) - {1.0}
        """How often a tool was called, of those that were called more than once."""
        self.occurrences: Counter[Value] = Counter()
        """How often each value stands in the arguments."""
        for text in self.texts:
            for match in NUMBER.finditer(text):
                hours = _hours(match[0].lower(), text[match.end() :].lower())
                self.occurrences.update({value_of(match[0]), *hours})
        self.values: set[Value] = set(self.occurrences)

    def has(self, asked: AskedNumber) -> bool:
        """Whether a call has the number: of a date with dots all parts, of a long one its digits."""
        if asked.values & self.values or (asked.is_count and asked.values & self.counts):
            return True
        parts = asked.text.split(".")
        if len(parts) > 1 and self.values.issuperset(map(value_of, parts)):
            return True
        return bool(_LONG.fullmatch(asked.text)) and self.has_digits(asked.text)

    def has_digits(self, digits: str) -> bool:
        """Whether an argument has these digits and no more of them together, however they are grouped."""
        alone = re.compile(rf"(?<!\d){digits}(?!\d)")
        return any(alone.search(re.sub(r"[\s().+-]", "", text)) for text in self.texts)


def value_of(number: str) -> Value:
    """A number as its value, so that 80 is 80.00 and 1,000 is 1000; an identifier in small letters."""
    try:
        return round(float(number.replace(",", "")), 6)
    except ValueError:
        return number.lower()


def not_made(query: str, documents: Iterable[str], made: MadeNumbers) -> tuple[int, list[str]]:
    """The numbers of a request that stand in no call.

    Args:
        query: the request.
        documents: documents of the tools; where they speak of cents, 50 dollars are 5000.
        made: numbers of the calls that did not fail.

    Returns:
        How many numbers the request has, and those that should stand in a call and do not. The number is 0
        where none of these are missing, and another one stands in no call.
    """
    cents = bool(_PRICE.search(query)) and any(map(_CENTS.search, documents))
    asked = _each_once(_with_long_times(_read(query, cents), query))
    grouped = [match.span() for match in _DIGITS.finditer(query) if made.has_digits(_joined(match[0]))]
    left = [
        each
        for each in asked
        if not made.has(each) and not any(a <= each.span[0] and each.span[1] <= b for a, b in grouped)
    ]
    if left and _SPLIT.search(query.lower()):
        left = [each for each in left if not _has_part(each, made)]
    if left and _SUM.search(query.lower()) and len(asked) <= _MOST_SUMMED:
        left = [each for each in left if not _is_in_sum(each, asked, made)]
    missing = [each.text for each in left if each.is_needed]
    return (len(asked) if missing or not left else 0), missing


def _each_once(asked: Iterable[AskedNumber]) -> list[AskedNumber]:
    """The numbers without repetitions, each with the values that it has anywhere."""
    found: dict[str, AskedNumber] = {}
    for each in asked:
        known = found.get(each.text, each)
        values, needed = known.values | each.values, known.is_needed or each.is_needed
        found[each.text] = replace(known, values=values, is_needed=needed)
    return list(found.values())


def _read(query: str, cents: bool) -> Iterator[AskedNumber]:
    small = query.lower()
    for match in NUMBER.finditer(query):
        text, after = match[0], small[match.end() : match.end() + _NEAR]
        before = small[max(0, match.start() - _NEAR) : match.start()]
        amount = _AMOUNT.fullmatch(text.lower())
        value = value_of(amount[1]) if amount else text.lower()
        if amount is None or isinstance(value, str):
            needed = not _OWN_ID.search(before)
            yield AskedNumber(text, frozenset((value_of(text),)), needed, span=match.span())
            continue
        unit = amount[2] or _word(after)
        share = _SHARE.fullmatch(before)
        percent = _PERCENT.fullmatch(before)
        factor = _SHARES[share[1]] if share else float(percent[1]) / 100 if percent else 1
        seconds = factor * value * _SECONDS.get(unit, 0)
        known = unit in _FACTORS or unit in _SECONDS or unit in _MONEY
        factors = (_FACTORS.get(unit, 1),) if known or not unit else _OTHERS
        values = {*(factor * value * each for each in (1, *factors)), *_lengths(seconds)}
        said = {text.lower()} if amount[2] else set()  # it may be an identifier after all
        if cents and (unit in _MONEY or _MONEY_BEFORE.search(before)):
            values.add(100 * factor * value)
        if not before.endswith(":") and (hours := _hours(text.lower(), after)):
            values = set(hours)
        elif _AT.search(before) and value <= 12:
            values.add(value % 12 + 12)  # in the afternoon, if that is how it is understood
        needed = not (unit in ("%", "percent") or _LIMIT.fullmatch(before) or _OWN_ID.search(before))
        needed = needed and not CONDITION.search(_sentence(small, match.span()))
        yield AskedNumber(text, _rounded(values) | said, needed, not known, seconds, match.span())


def _sentence(text: str, span: tuple[int, int]) -> str:
    """The sentence around a place, or what is near of it."""
    before = SENTENCE.split(text[max(0, span[0] - _SENTENCE_NEAR) : span[0]])[-1]
    return before + SENTENCE.split(text[span[1] : span[1] + _SENTENCE_NEAR])[0]


def _hours(text: str, after: str) -> list[float]:
    """The hour of the day that a number with *am* or *pm* tells; none for another number."""
    hour = re.match(r"\d{1,2}(?![\d.,])", text)
    clock = _CLOCK.match(text[hour.end() :] or after[:_NEAR]) if hour else None
    return [float(hour[0]) % 12 + (12 if clock[1] == "p" else 0)] if hour and clock else []


def _word(after: str) -> str:
    """The unit behind a number, in the singular; empty for none."""
    unit = _UNIT.match(after)
    word = (unit[1] or unit[2]) if unit else ""
    return word if word in _SECONDS or word in _FACTORS else word.removesuffix("s")


def _lengths(seconds: float) -> list[float]:
    return [seconds / each for each in _COUNTED] if seconds else []


def _rounded(values: Iterable[float]) -> frozenset[Value]:
    return frozenset(round(value, 6) for value in values)


def _with_long_times(asked: Iterable[AskedNumber], query: str) -> list[AskedNumber]:
    """The same, where *1 hour and 30 minutes* are one length of time."""
    runs: list[list[AskedNumber]] = []
    for each in asked:
        if runs and _goes_on(runs[-1][-1], each, query):
            runs[-1].append(each)
        else:
            runs.append([each])
    return [
        replace(each, values=each.values | _rounded(_lengths(sum(part.seconds for part in run))))
        for run in runs
        for each in run
    ]


def _goes_on(one: AskedNumber, other: AskedNumber, query: str) -> bool:
    """Whether a number tells a smaller part of the same length of time."""
    between = re.sub(r"^\s?[A-Za-z]+", "", query[one.span[1] : other.span[0]])
    return one.seconds > other.seconds > 0 and bool(_BETWEEN.fullmatch(between))


def _joined(digits: str) -> str:
    return re.sub(r"\D", "", digits)


def _has_part(each: AskedNumber, made: MadeNumbers) -> bool:
    """Whether a call has an equal part of an amount that is to be split."""
    return any(
        _rounded(value / parts for parts in range(2, _MOST_PARTS + 1)) & made.values
        for value in _amounts(each)
    )


def _is_in_sum(each: AskedNumber, asked: list[AskedNumber], made: MadeNumbers) -> bool:
    """Whether a call has the sum of an amount and another one of the request."""
    others = [value for other in asked if other is not each for value in _amounts(other)]
    return any(_rounded(value + other for other in others) & made.values for value in _amounts(each))


def _amounts(asked: AskedNumber) -> list[float]:
    return [value for value in asked.values if not isinstance(value, str)]
