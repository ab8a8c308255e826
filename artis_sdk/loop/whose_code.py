"""Owner of the code that a session runs: for application code the firewall is at its strictest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from artis_sdk.contracts import Simulator


def is_ours(part: object) -> bool:
    """Whether all code of a session's part belongs to this package; a subclass from elsewhere does not, nor
    does an integration, which runs another framework's agent.

    Args:
        part: an object; a function counts by its module, a bound method by its object.
    """
    part = getattr(part, "__self__", part)
    where = part.__module__ if hasattr(part, "__qualname__") else type(part).__module__
    if where.startswith("artis_sdk.integrations."):
        return False
    return where == "artis_sdk" or where.startswith("artis_sdk.")


def runs_application_code(simulator: Simulator, parts: Iterable[Any]) -> bool:
    """Whether a rehearsal may run application code, whose calls may lose their context.

    Args:
        simulator: the session's simulator; a sandbox runs the application's tools.
        parts: all other objects that a rehearsal calls, such as agent, judges and log; None is skipped.
    """
    simulators = list(_with_inner(simulator))
    if any(one.runs_code or not is_ours(one) for one in simulators):
        return True
    backends = [backend for one in simulators if (backend := getattr(one, "backend", None)) is not None]
    return not all(is_ours(part) for part in (*parts, *backends) if part is not None)


def _with_inner(simulator: Simulator) -> Iterator[Simulator]:
    """A simulator and those inside it: the rungs of a ladder, the simulator behind a gate."""
    yield simulator
    inner: Any = getattr(simulator, "simulator", None)
    for one in (*getattr(simulator, "rungs", ()), *(() if inner is None else (inner,))):
        yield from _with_inner(one)
