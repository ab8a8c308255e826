"""Regular expressions, where the pattern and the text are short and plain enough that they end soon."""

from __future__ import annotations

import re
from collections.abc import Callable
from re import _parser  # type: ignore[attr-defined]
from typing import Any, Final

from artis_sdk.simulators.interpreter.operators import attempt
from artis_sdk.simulators.interpreter.values import LONGEST, CannotTell

FUNCTIONS: Final = (re.match, re.fullmatch, re.search, re.findall, re.split, re.sub)
PATTERN_METHODS: Final = frozenset(function.__name__ for function in FUNCTIONS)
MATCH_METHODS: Final = frozenset({"group", "groups", "groupdict", "start", "end", "span"})
_LONGEST: Final = 200  # characters of a pattern
_HUGE: Final = 10**9  # ways to try


def searched(name: str, values: list[Any], named: dict[str, Any], charge: Callable[[range], None]) -> Any:
    """`re.match(pattern, text)` and the like, or the same of a compiled pattern.

    Args:
        name: the function's name.
        values: its arguments; the pattern is a text or compiled.
        named: `flags`.
        charge: counts the ways in which the pattern may be tried, before it is.

    Raises:
        CannotTell: it may take long, or takes arguments that are not followed.
    """
    flags = named.get("flags", 0)
    places = 3 if name == "sub" else 2
    if len(values) == 3 and name in ("match", "fullmatch", "search", "findall") and type(values[0]) is str:
        flags = values.pop()
    if named.keys() - {"flags"} or not isinstance(flags, int) or len(values) != places:
        raise CannotTell(f"it calls re.{name} in a way that is not computed")
    pattern, *texts = values
    if type(pattern) is str and len(pattern) <= _LONGEST:
        pattern = _compiled(pattern, int(flags))
    elif named or type(pattern) is not re.Pattern:
        raise CannotTell("it searches with a pattern that is not known")
    if not all(type(one) is str for one in (pattern.pattern, *texts)):
        raise CannotTell("it searches in a text that is not known")
    if name == "sub" and "\\" in texts[0]:
        raise CannotTell("it replaces by groups")
    length = len(texts[-1])
    if (length + 1) * len(texts[0]) > LONGEST:  # what `sub` may make
        raise CannotTell("it makes a huge text")
    ways = _ways(_parser.parse(pattern.pattern, pattern.flags), length)
    charge(range(ways if name in ("match", "fullmatch") else ways * (length + 1)))
    return getattr(pattern, name)(*texts)


def of_match(match: re.Match[str], name: str, values: list[Any]) -> Any:
    """What a match gives."""
    if not all(type(one) in (int, str) for one in values):
        raise CannotTell(f"it calls .{name} of a match in a way that is not computed")
    return attempt(getattr(match, name), *values)


def _compiled(pattern: str, flags: int) -> re.Pattern[str]:
    try:
        return re.compile(pattern, flags)
    except (re.error, ValueError, OverflowError, Warning):
        raise CannotTell("it has a pattern that is none") from None


def _ways(parsed: Any, length: int) -> int:
    """In how many ways a search may try a pattern from one place of a text, at most.

    Args:
        parsed: the pattern, or a part of it.
        length: characters of the text.

    Raises:
        CannotTell: there is no useful bound, as where what repeats holds a choice.
    """
    found = 1
    for kind, argument in parsed:
        match str(kind):
            case "LITERAL" | "NOT_LITERAL" | "ANY" | "IN" | "AT":
                continue
            case "SUBPATTERN":
                ways = _ways(argument[3], length)
            case "ASSERT" | "ASSERT_NOT":
                ways = _ways(argument[1], length)
            case "BRANCH":
                ways = sum(_ways(one, length) for one in argument[1])
            case "MAX_REPEAT" | "MIN_REPEAT":
                least, most, inner = argument
                ways = _ways(inner, length)
                if most > 1 and ways > 1:
                    raise CannotTell("it has a pattern that repeats a choice")
                if least != most:
                    ways = ways + 1 if most == 1 else min(int(most), length) + 1
            case other:
                raise CannotTell(f"it has a pattern with {other.lower()}")
        found = min(found * ways, _HUGE)
    return found
