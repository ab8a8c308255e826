"""The Python arguments of a call beside what it shows: which a body gets, and whether they still agree."""

from __future__ import annotations

from typing import Any

from artis_sdk.errors import InvalidArguments
from artis_sdk.records.jsonable import jsonable
from artis_sdk.tools.guarded import Invocation
from artis_sdk.tools.own_arguments import is_fixed, same_types, without_form


def to_run(invocation: Invocation, *, nested: bool) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments that the body gets: copies for the agent's call, which waits for journal and approver.

    A call in another tool's body gets the caller's own objects, as in plain code: a helper may fill the list
    that it was given.
    """
    if nested and invocation.passed is not None:
        args, kwargs = invocation.passed
        return args, {**invocation.kwargs, **kwargs}
    return invocation.args, invocation.kwargs


def changed(invocation: Invocation, *, nested: bool) -> list[str]:
    """Names of the arguments whose objects somebody has changed, so that they are not what the call shows."""
    if invocation.passed is None or (invocation.plain and not nested):
        return []
    args, kwargs = to_run(invocation, nested=nested)
    named, shown = invocation.tool.named(args, kwargs), invocation.call.arguments
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
