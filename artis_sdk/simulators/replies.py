"""What a sandboxed call leaves beside its outcome, for the world that asked for it.

`Simulator.predict` returns outcomes, which are JSON. A caller that wants the original value collects it
during the prediction: a reply belongs to its outcome object, so simulators in between need not know of it.
Guarded calls of the body are collected for the attempt in the same way.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from artis_sdk.records import Outcome, Provenance, Step, ToolCall
from artis_sdk.tools.lazy import is_awaitable
from artis_sdk.tools.protocols import RunnableTool
from artis_sdk.tools.reply import Reply

_collected: ContextVar[dict[int, Reply] | None] = ContextVar("artis_sdk_replies", default=None)
_within: ContextVar[list[Step] | None] = ContextVar("artis_sdk_within", default=None)


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


@contextmanager
def collected_within() -> Iterator[list[Step]]:
    """Collect the guarded calls that sandboxed bodies make inside the block, in the order of their ends."""
    steps: list[Step] = []
    token = _within.set(steps)
    try:
        yield steps
    finally:
        _within.reset(token)


def kept_within(tool: RunnableTool, call: ToolCall, run: Callable[[], Any]) -> Callable[[], Any]:
    """The code of a body's guarded call, kept for the collector once it has ended; in any thread."""
    steps = _within.get()
    if steps is None:
        return run

    def keep_step(outcome: Outcome) -> None:
        steps.append(Step(call=call, outcome=outcome))

    async def awaited(value: Awaitable[Any]) -> Any:
        try:
            result = await value
        except Exception as error:
            keep_step(tool.outcome_of_error(error, Provenance.SANDBOXED))
            raise
        keep_step(tool.outcome(result, Provenance.SANDBOXED))
        return result

    def ran() -> Any:
        try:
            value = run()
        except Exception as error:
            keep_step(tool.outcome_of_error(error, Provenance.SANDBOXED))
            raise
        if is_awaitable(value):
            return awaited(value)
        keep_step(tool.outcome(value, Provenance.SANDBOXED))
        return value

    return ran
