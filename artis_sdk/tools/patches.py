"""Functions of the standard library that stand in for others once a world has been entered.

They are put in place by the first world of the process and stay: work that was put off may start further
work long after its world is over, and that must be refused too. Where a context belongs to no world each
of them looks at one context variable and calls the original, which is lost in what a thread costs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Any

from artis_sdk.tools.firewall import lock

Make = Callable[[Callable[..., Any]], Callable[..., Any]]
"""Makes of an original what stands in its place."""

Check = Callable[[str, tuple[Any, ...]], None]
"""Looks at an audit event and its arguments; raises where the act is refused."""

_wanted: list[tuple[str, str, Make, bool]] = []
_placed: dict[tuple[str, str], tuple[Any, Callable[..., Any]]] = {}
_checks: dict[str, Check] = {}


def in_place_of(module: str, *paths: str, if_imported: bool = False) -> Callable[[Make], Make]:
    """Register what is put in place of functions or methods.

    Args:
        module: where they are.
        paths: their names in it, such as `Thread.start`; one that this Python lacks is passed over.
        if_imported: whether the module is left alone as long as nobody has imported it.
    """

    def register(make: Make) -> Make:
        _wanted.extend((module, path, make, if_imported) for path in paths)
        return make

    return register


def on_audit(*events: str) -> Callable[[Check], Check]:
    """Register what looks at audit events; a hook cannot be taken out again."""

    def register(check: Check) -> Check:
        _checks.update(dict.fromkeys(events, check))
        return check

    return register


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if event in _checks:
        _checks[event](event, args)


def install() -> None:
    """Put everything in place that is not, also where somebody else has taken it out since."""
    if not _placed:
        sys.addaudithook(_audit)
    for module, path, make, if_imported in _wanted:
        placed = _placed.get((module, path))
        if placed is not None and getattr(placed[0], path.rpartition(".")[2], None) is placed[1]:
            continue
        if not if_imported or module in sys.modules:
            _put(module, path, make)


def _put(module: str, path: str, make: Make) -> None:
    owner: Any = import_module(module)
    *outer, name = path.split(".")
    for part in outer:
        owner = getattr(owner, part, None)
    with lock:
        original = getattr(owner, name, None)
        ours = _placed.get((module, path))
        if original is None or (ours is not None and _is_under(ours[1], original)):
            return
        function = wraps(original)(make(original))
        _placed[module, path] = owner, function
        setattr(owner, name, function)


def _is_under(ours: Callable[..., Any], found: Any) -> bool:
    """Whether another library has put its own on top of ours, which it calls."""
    while found is not None:
        if found is ours:
            return True
        found = getattr(found, "__wrapped__", None)
    return False
