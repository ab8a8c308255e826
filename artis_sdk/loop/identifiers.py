"""Identifiers that a simulator made up, and the later calls of its attempt that use them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from pydantic import JsonValue

from artis_sdk.records import JsonPath, Reference, Risk, Step, Task, ToolSpec
from artis_sdk.records.places import leaves, word

_NAMES = re.compile(
    r"(?:^|[_-])(?i:ids?|uuid|ref|reference|handle|token)$|[_-](?i:no|number|key)$"
    r"|(?<=[a-z])(?:Ids?|IDs?|Uuid|UUID|Ref|Reference|Handle|Token|No|Number|Key)$"
)
"""Matches the name of a field that holds an identifier."""
_LONGEST = 200
_SHORTEST_IN_TEXT = 3
"""Characters of the shortest identifier that is looked for within longer texts."""


@dataclass(frozen=True, slots=True)
class MadeUp:
    """An identifier that a simulator made up."""

    call: int
    """Index of the call whose outcome gave it."""
    place: JsonPath
    """Its place in that outcome's value."""
    value: str | int


def made_up_identifiers(task: Task, steps: Sequence[Step], specs: Mapping[str, ToolSpec]) -> list[MadeUp]:
    """The identifiers in the outcomes of an attempt that are nobody's but the simulator's.

    A value is one where it
    - is an identifier: a text of one word with letters and digits, or a text of one word or a whole number in
      a field that is named like one (`id`, `order_no`);
    - comes from a successful call that may change something, so that it did not exist before. What was read
      is compared with the real value instead: had it been another, the plan might have been another;
    - stands neither in the task (query, conversation, state, calls before) nor in earlier arguments or
      outcomes;
    - is used by later calls, if at all, where `references` can tell: else it is compared, too.

    Args:
        task: the task.
        steps: the attempt's steps that reached its world.
        specs: specs of the tools, by name.
    """
    candidates = [
        MadeUp(n, place, value)
        for n, step in enumerate(steps)
        if step.outcome.ok and _may_change(specs.get(step.call.tool))
        for place, value in leaves(step.outcome.value)
        if isinstance(value, str | int) and _is_identifier(value, place)
    ]
    if not candidates:  # the usual case, which costs little
        return []
    known = _Known()
    known.add([task.query, [message.content for message in task.conversation], task.state])
    known.add([[step.call.arguments, step.outcome.value] for step in task.history])
    uses = _Uses(steps)
    found: list[MadeUp] = []
    left = 0
    for n, step in enumerate(steps):
        known.add(step.call.arguments)
        while left < len(candidates) and candidates[left].call == n:
            if not known.holds(str(candidates[left].value)):
                found.append(candidates[left])
            left += 1
        known.add(step.outcome.value)
    return [one for one in found if not uses.are_unclear(one)]


def references(n: int, arguments: JsonValue, made_up: Sequence[MadeUp]) -> Iterator[Reference]:
    """The references in the arguments of the n-th call."""
    if not made_up:
        return
    for place, argument in leaves(arguments):
        if isinstance(argument, str | int):
            whole = (one for one in made_up if one.value == argument and one.call < n)
            found = next((one for one in whole if _is_whole(one, argument, place)), None)
            if found is not None:
                yield Reference(argument=place, call=found.call, outcome=found.place)
                continue
        if isinstance(argument, str):
            for one in made_up:
                if one.call < n and str(one.value) in argument and _is_part(one, argument):
                    yield Reference(argument=place, call=one.call, outcome=one.place, part=True)


def is_distinctive(value: JsonValue) -> bool:
    """Whether a value is hardly anything but one identifier: a text of one word with letters and digits."""
    return (
        isinstance(value, str)
        and _SHORTEST_IN_TEXT <= len(value) <= _LONGEST
        and any(character.isdigit() for character in value)
        and any(character.isalpha() for character in value)
        and not any(character.isspace() for character in value)
    )


def _may_change(spec: ToolSpec | None) -> bool:
    return spec is None or spec.risk is not Risk.READ_ONLY


def _is_identifier(value: JsonValue, place: JsonPath) -> bool:
    if is_distinctive(value):
        return True
    name = next((key for key in reversed(place) if isinstance(key, str)), "")
    if _NAMES.search(name) is None:
        return False
    if isinstance(value, str):
        return 0 < len(value) <= _LONGEST and not any(character.isspace() for character in value)
    return isinstance(value, int) and not isinstance(value, bool)


def _is_whole(one: MadeUp, argument: JsonValue, place: JsonPath) -> bool:
    if type(argument) is not type(one.value) or argument != one.value:
        return False
    return is_distinctive(argument) or _is_identifier(argument, place)


def _is_part(one: MadeUp, argument: JsonValue) -> bool:
    return (
        isinstance(argument, str)
        and is_distinctive(one.value)
        and word(str(one.value)).search(argument) is not None
    )


def _without(value: JsonValue, one: MadeUp, place: JsonPath = ()) -> JsonValue:
    """The arguments without what refers to an identifier."""
    if isinstance(value, dict):
        return {key: _without(item, one, (*place, key)) for key, item in value.items()}
    if isinstance(value, list):
        return [_without(item, one, (*place, n)) for n, item in enumerate(value)]
    if _is_whole(one, value, place):
        return None
    if isinstance(value, str) and _is_part(one, value):
        return word(str(one.value)).sub("", value)
    return value


def _text(value: JsonValue) -> str:
    """All texts, keys and numbers of a value in lower case, one a line."""
    waiting: list[JsonValue] = [value]
    texts: list[str] = []
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            texts += item
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
        elif item is not None:
            texts.append(str(item))
    return "\n".join(texts).casefold()


class _Uses:
    """The arguments of all calls, to look up later uses of an identifier."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = steps
        self._texts = [_text(step.call.arguments) for step in steps]
        self._all = "\n".join(self._texts)
        self._ends = list(accumulate(len(text) + 1 for text in self._texts))

    def are_unclear(self, one: MadeUp) -> bool:
        """Whether a later call's arguments hold it in a way that no reference describes: in another case, as
        a key, within a word, or a plain word or number in a field that may hold anything."""
        folded = str(one.value).casefold()
        if self._all.find(folded, self._ends[one.call]) < 0:
            return False
        for n in range(one.call + 1, len(self._steps)):
            if folded not in self._texts[n]:
                continue
            rest = _text(_without(self._steps[n].call.arguments, one))
            if folded in rest and (is_distinctive(one.value) or word(folded).search(rest)):
                return True
        return False


class _Known:
    """What stood in the task and in calls before; made for large states, which are read once."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._words: set[str] = set()

    def add(self, value: JsonValue) -> None:
        text = _text(value)
        self._texts.append(text)
        self._words.update(re.findall(r"\w+", text))

    def holds(self, value: str) -> bool:
        value = value.casefold()
        if not self._words.issuperset(re.findall(r"\w+", value)):
            return False
        return any(word(value).search(text) for text in self._texts)
