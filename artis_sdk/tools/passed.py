"""The Python arguments of a call beside what it shows: which a body gets, and whether they still agree."""

from __future__ import annotations

from typing import Any

from artis_sdk.errors import InvalidArguments
from artis_sdk.records.jsonable import jsonable
from artis_sdk.tools.guarded import Invocation
from artis_sdk.tools.own_arguments import is_fixed, same_types, without_form

Passed = tuple[tuple[Any, ...], dict[str, Any]]
"""Positional and keyword arguments."""


def to_run(invocation: Invocation, *, nested: bool) -> Passed:
    """The arguments that the body gets: the caller's very objects, as in plain code, to fill or to keep.

    A call of the agent's gets the copies if somebody has changed the objects since it was made. What a body
    does with its own objects meanwhile, in calls side by side, is its own matter.
    """
    if invocation.passed is None or (not nested and _changed(invocation, invocation.passed)):
        return invocation.args, invocation.kwargs
    args, kwargs = invocation.passed
    return args, {**invocation.kwargs, **kwargs}


def changed(invocation: Invocation) -> list[str]:
    """Names of the arguments with objects that could not be copied and that somebody has changed, so that
    they are not what the call shows."""
    return [] if invocation.plain else _changed(invocation, (invocation.args, invocation.kwargs))


def _changed(invocation: Invocation, passed: Passed) -> list[str]:
    named, shown = invocation.tool.named(*passed), invocation.call.arguments
    return [
        name
        for name, value in named.items()
        if name in shown and not is_fixed(value) and jsonable({name: value}) != {name: shown[name]}
    ]


def is_shown_whole(invocation: Invocation) -> bool:
    """Whether the shown call tells this one from others: no argument is shown as `<its type>` alone."""
    return invocation.plain or not without_form((invocation.args, _visible(invocation)))


def not_given_back(invocation: Invocation) -> list[str]:
    """Names of the arguments that the shown call, made again from its JSON, would pass as another type."""
    if invocation.plain:
        return []
    tool = invocation.tool
    mine = tool.named(invocation.args, _visible(invocation))
    try:
        again = tool.parse(invocation.call)
    except InvalidArguments:
        return [name for name, value in mine.items() if not is_fixed(value)]
    theirs = tool.named(again.args, again.kwargs)
    return [name for name, value in mine.items() if not same_types(value, theirs.get(name))]


def _visible(invocation: Invocation) -> dict[str, Any]:
    return {name: value for name, value in invocation.kwargs.items() if name not in invocation.tool.hidden}
