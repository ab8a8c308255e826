"""Whose code a session runs: ours, or the application's, around which the firewall is at its strictest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from artis_sdk.contracts import Simulator


def is_ours(part: object) -> bool:
    """Whether a part of a session has no code but this package's; a subclass made elsewhere is not ours.

    Args:
        part: an object; a function or a bound method counts by the module or the object that it belongs to.
    """
    part = getattr(part, "__self__", part)
    where = part.__module__ if hasattr(part, "__qualname__") else type(part).__module__
    return where == "artis_sdk" or where.startswith("artis_sdk.")


def runs_application_code(simulator: Simulator, parts: Iterable[Any]) -> bool:
    """Whether a rehearsal may run code of the application's, whose calls may lose their context.

    Args:
        simulator: the session's simulator; a sandbox runs the application's tools.
        parts: everything else that a rehearsal calls, such as agent, judges and log; None is skipped.
    """
    simulators = list(_with_inner(simulator))
    if any(one.runs_code or not is_ours(one) for one in simulators):
        return True
    backends = [backend for one in simulators if (backend := getattr(one, "backend", None)) is not None]
    return not all(is_ours(part) for part in (*parts, *backends) if part is not None)


def _with_inner(simulator: Simulator) -> Iterator[Simulator]:
    """A simulator and those that it asks: the rungs of a ladder, what is behind a gate."""
    yield simulator
    inner: Any = getattr(simulator, "simulator", None)
    for one in (*getattr(simulator, "rungs", ()), *(() if inner is None else (inner,))):
        yield from _with_inner(one)
