"""The Python value or exception behind a sandboxed outcome, for the caller's own agent.

`Simulator.predict` returns outcomes, which are JSON. A caller that wants the original value collects it
during the prediction: a reply belongs to its outcome object, so simulators in between need not know of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from artis_sdk.records import Outcome
from artis_sdk.tools.guarded import Reply

_collected: ContextVar[dict[int, Reply] | None] = ContextVar("artis_sdk_replies", default=None)


class Replies:
    """The replies that were kept."""

    def __init__(self, kept: dict[int, Reply]) -> None:
        self._kept = kept

    def of(self, outcome: Outcome) -> Reply | None:
        """The reply behind this outcome object; None if it was predicted."""
        return self._kept.get(id(outcome))


@contextmanager
def collected() -> Iterator[Replies]:
    """Collect the replies behind the outcomes predicted inside the block."""
    kept: dict[int, Reply] = {}
    token = _collected.set(kept)
    try:
        yield Replies(kept)
    finally:
        _collected.reset(token)


def keep(reply: Reply) -> None:
    """Keep a reply for the collector, if there is one."""
    kept = _collected.get()
    if kept is not None:
        kept[id(reply.outcome)] = reply
