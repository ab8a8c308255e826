"""Numbers and identifiers that a request says several times, and its calls less often.

In *120 to Ann and 120 to Bob* each mention is a part of its own, and one call with 120 is half of what was
asked; so it is in *lock A342 and pay 90 from A342*. A restatement, *set it to 10; that is, 10 minutes*, is no
second part: mentions count where *and*, *then* or their like stands between them, in one sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from artis_sdk.loop.asked_numbers import CONDITION, NUMBER, SENTENCE, MadeNumbers, Value, value_of

_JOINT: Final = re.compile(r"\b(?:and|then|also|plus)\b|;", re.IGNORECASE)
_SAME: Final = re.compile(r"\b(?:the|that|this|those|these|same|its|their)\s+(?:[$€£]\s?)?$", re.IGNORECASE)
_INSIDE: Final = frozenset("/-^:")  # beside a number that is part of a date, a time or a unit


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
        for value, text, times in _parts(sentence):
            if times > said.get(value, ("", 1))[1]:
                said[value] = text, times
    return [
        f"{text}: {times} times, in {there} {'call' if there == 1 else 'calls'}"
        for value, (text, times) in said.items()
        if 0 < (there := made.occurrences[value]) < times
    ]


def _parts(sentence: str) -> Iterator[tuple[Value, str, int]]:
    """Each number of a sentence, and how many parts of the sentence have it; none of a conditional one."""
    if CONDITION.search(sentence.lower()):
        return
    found: dict[Value, tuple[str, int, int]] = {}  # as it is written, number of parts, its end in the last
    for match in NUMBER.finditer(sentence):
        around = sentence[max(0, match.start() - 1) : match.start()] + sentence[match.end() : match.end() + 1]
        if _INSIDE & set(around) or _SAME.search(sentence[: match.start()]):
            continue
        value = value_of(match[0])
        text, times, end = found.get(value, (match[0], 0, 0))
        if not times or _JOINT.search(sentence, end, match.start()):
            found[value] = text, times + 1, match.end()
    for value, (text, times, _) in found.items():
        yield value, text, times
