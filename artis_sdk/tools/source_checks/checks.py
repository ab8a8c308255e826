"""What a tool's source says of its outcomes, as a prompt shows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from artis_sdk.tools.source_checks.standing import Part

_MOST: Final = 40  # checks of a tool
_LONGEST: Final = 240  # characters of a condition
_LONGEST_SAID: Final = 160  # characters of the assignments beside it
_RETURNS: Final = 4


@dataclass(frozen=True, slots=True)
class Check:
    """One way to fail, in its place.

    Attributes:
        condition: the source text of the condition, with the tool's own arguments; empty if it always holds.
            It holds where no check before does. Behind `, with` are the assignments of the names in it that
            stand for nothing certain.
        raised: whether it raises, rather than returns its failure.
        type: exception class, or the returned failure's type; empty for a returned value that says of itself
            that it failed, and that no rule of outcomes counts as a failure.
        answer: the message, or the returned value, with `{expression}` in a text where the source fills
            something in, and an `Expression` for a whole value.
        names: names, attributes and keys in the condition.
    """

    condition: str
    raised: bool
    type: str
    answer: Any
    names: frozenset[str]


@dataclass(slots=True)
class ToolChecks:
    """What one tool's source says of its outcomes.

    Attributes:
        checks: in the order in which they run.
        returns: what it returns when none of them holds, with `{expression}` as in `Check.answer`.
        left: number of checks beyond the limit.
        cut: whether reading stopped before the end, so that there may be more.
    """

    checks: list[Check] = field(default_factory=list)
    returns: list[Any] = field(default_factory=list)
    helpers: frozenset[str] = frozenset()
    """Names, attributes and keys in the functions that it calls."""
    left: int = 0
    cut: bool = False

    @property
    def reads(self) -> frozenset[str]:
        """What the checks read, those that helpers compute included."""
        return self.helpers.union(*(check.names for check in self.checks))

    def add(self, over: tuple[Part, ...], raised: bool, type_: str, answer: Any) -> None:
        """List a check, once, within the limits."""
        names = frozenset[str]().union(*(part.names for part in over))
        check = Check(_condition(over), raised, type_, answer, names)
        if check in self.checks:
            return
        if len(self.checks) >= _MOST:
            self.left += 1
            return
        self.checks.append(check)

    def add_return(self, value: Any) -> None:
        """List what a success returns, once, within the limits."""
        if value not in self.returns and len(self.returns) < _RETURNS:
            self.returns.append(value)


def _condition(over: tuple[Part, ...]) -> str:
    """The conditions as one text: all of them, or those nearest to the check and how many more there are."""
    kept: list[Part] = []
    room = _LONGEST
    for part in reversed(over):
        if kept and len(part.text) + 5 > room:
            break
        kept.insert(0, part)
        room -= len(part.text) + 5
    text = " and ".join(part.text for part in kept)
    text = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
    left = len(over) - len(kept)
    if left:
        text += f" (and {left} more condition{'s' if left > 1 else ''} before)"
    said = "; ".join(dict.fromkeys(s for part in kept for s in part.said if s not in text))
    if not said:
        return text
    return f"{text}, with {said if len(said) <= _LONGEST_SAID else f'{said[: _LONGEST_SAID - 3]}...'}"
