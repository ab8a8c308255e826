"""Functions of the standard library that stand in for others once a world has been entered.

They are put in place by the first world of the process and stay: work that was put off may start further
work long after its world is over, and that must be refused too. Where a context belongs to no world each
of them looks at one context variable and calls the original, which is lost in what a thread costs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from importlib import import_module
from typing import Any

from artis_sdk.tools.firewall import lock

Make = Callable[[Callable[..., Any]], Callable[..., Any]]
"""Makes of an original what stands in its place."""

Check = Callable[[str, tuple[Any, ...]], None]
"""Looks at an audit event and its arguments; raises where the act is refused."""


@dataclass(eq=False, slots=True)
class _Patch:
    module: str
    path: str
    make: Make
    if_imported: bool
    owner: Any = None
    name: str = ""
    ours: Callable[..., Any] | None = None
    """What we have put in place; None before."""


_patches: list[_Patch] = []
_hooked: list[bool] = []
_checks: dict[str, Check] = {}


def in_place_of(module: str, *paths: str, if_imported: bool = False) -> Callable[[Make], Make]:
    """Register what is put in place of functions or methods: by the first world, at once if there was one.

    Args:
        module: where they are.
        paths: their names in it, such as `Thread.start`; one that this Python lacks is passed over.
        if_imported: whether the module is left alone as long as nobody has imported it.
    """

    def register(make: Make) -> Make:
        _patches.extend(_Patch(module, path, make, if_imported) for path in paths)
        if _hooked:
            install()
        return make

    return register


def on_audit(*events: str) -> Callable[[Check], Check]:
    """Register what looks at audit events; a hook cannot be taken out again."""

    def register(check: Check) -> Check:
        _checks.update(dict.fromkeys(events, check))
        return check

    return register


def install() -> None:
    """Put everything in place that is not, also where somebody else has taken it out since."""
    for patch in _patches:
        if patch.ours is not None and getattr(patch.owner, patch.name, None) is patch.ours:
            continue
        if not patch.if_imported or patch.module in sys.modules:
            _put(patch)
    if not _hooked:
        _hooked.append(True)
        sys.addaudithook(_audit)


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if event in _checks:
        _checks[event](event, args)


def _put(patch: _Patch) -> None:
    owner: Any = import_module(patch.module)
    *outer, name = patch.path.split(".")
    for part in outer:
        owner = getattr(owner, part, None)
    with lock:
        original = getattr(owner, name, None)
        if original is None or (patch.ours is not None and _is_under(patch.ours, original)):
            return
        patch.owner, patch.name = owner, name
        patch.ours = wraps(original)(patch.make(original))
        setattr(owner, name, patch.ours)


def _is_under(ours: Callable[..., Any], found: Any) -> bool:
    """Whether another library has put its own on top of ours, which it calls."""
    while found is not None:
        if found is ours:
            return True
        found = getattr(found, "__wrapped__", None)
    return False
