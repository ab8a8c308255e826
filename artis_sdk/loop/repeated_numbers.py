"""Numbers and identifiers that a request says several times, and its calls less often.

In *120 to Ann and 120 to Bob* each mention is a part of its own, and one call with 120 is half of what was
asked; so it is in *lock A342 and pay 90 from A342*. A restatement, *set it to 10; that is, 10 minutes*, is no
second part: mentions count where *and*, *then* or their like stands between them, in one sentence. Neither is
*take 80 from Ann and give 80 to Bob* two, where one call names both.
"""

from __future__ import annotations

import re
from typing import Final

from artis_sdk.loop.asked_numbers import CONDITION, NUMBER, SENTENCE, MadeNumbers, Value, value_of

_JOINT: Final = re.compile(r"\b(?:and|then|also|plus)\b|;", re.IGNORECASE)
_SAME: Final = re.compile(r"\b(?:the|that|this|those|these|same|its|their)\s+(?:[$€£]\s?)?$", re.IGNORECASE)
_SAID_AGAIN: Final = re.compile(
    r"\b(?:not|never|no|only|exactly|nothing|mean|sure|ensure|confirm|check|verify|see|tell|told|inform|know"
    r"|show|report|say|remind|answer|once|when|before|after|until|least|most|more|less|leave|keep|remains?)\b"
)
"""In a part of a sentence that asks for nothing of its own, but bounds, checks or reports another."""
_INSIDE: Final = frozenset("/-^:")  # beside a number that is part of a date, a time or a unit
_NAME: Final = re.compile(r"(?<=\s)[A-Z]\w*")


def said_more_often(query: str, made: MadeNumbers) -> list[str]:
    """The numbers and identifiers that a sentence says more often than calls have them.

    Args:
        query: the request.
        made: numbers of the calls that did not fail.

    Returns:
        Each with both counts, in the order of the request. One that no call has is not among them: see
        `asked_numbers.not_made`.
    """
    said: dict[Value, tuple[str, int]] = {}
    for sentence in SENTENCE.split(query):
        for value, (text, parts) in _mentions(sentence).items():
            if len(parts) > said.get(value, ("", 1))[1] and not _is_one(parts, made):
                said[value] = text, len(parts)
    return [
        f"{text}: {times} times, in {there} {'call' if there == 1 else 'calls'}"
        for value, (text, times) in said.items()
        if 0 < (there := made.occurrences[value]) < times
    ]


def _mentions(sentence: str) -> dict[Value, tuple[str, list[frozenset[str]]]]:
    """The numbers of a sentence, as they are written first, and what else is named in each part that has one;
    none of a conditional sentence."""
    found: dict[Value, tuple[str, list[frozenset[str]]]] = {}
    if CONDITION.search(sentence.lower()):
        return found
    for part in _JOINT.split(sentence):
        if found and _SAID_AGAIN.search(part.lower()):
            continue
        numbers = _numbers(part)
        names = frozenset((*map(str.lower, _NAME.findall(part)), *map(str.lower, numbers.values())))
        for value, text in numbers.items():
            found.setdefault(value, (text, []))[1].append(names - {text.lower()})
    return found


def _numbers(part: str) -> dict[Value, str]:
    """The numbers and identifiers in a part of a sentence, each as it is written first."""
    found: dict[Value, str] = {}
    for match in NUMBER.finditer(part):
        around = part[max(0, match.start() - 1) : match.start()] + part[match.end() : match.end() + 1]
        if not (_INSIDE & set(around) or _SAME.search(part[: match.start()])):
            found.setdefault(value_of(match[0]), match[0])
    return found


def _is_one(parts: list[frozenset[str]], made: MadeNumbers) -> bool:
    """Whether one call names what all parts name, each something else."""
    if not all(parts) or all(part == parts[0] for part in parts):
        return False
    names = frozenset().union(*parts)
    return any(names <= set(re.findall(r"\w+", text.lower())) for text in made.texts)
