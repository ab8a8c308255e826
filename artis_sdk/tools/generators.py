"""An async generator that a world has begun is closed in that world, whenever and by whomever.

Nobody may wait for its end: the event loop closes it, when it is garbage or when the loop itself ends, in a
context of its own. The calls of its `finally` are the world's all the same, and refused when that is over.
"""

from __future__ import annotations

import sys
from asyncio import AbstractEventLoop, get_running_loop
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from weakref import ref

from artis_sdk.tools.firewall import WorldBinding, current
from artis_sdk.tools.patches import in_place_of


class _Begun(NamedTuple):
    generator: ref[Any]
    loop: ref[AbstractEventLoop]
    binding: ref[WorldBinding]


_begun: dict[int, _Begun] = {}
"""By id of an async generator, where it was begun. Not a dictionary of weak references, which Python clears
before it calls the finalizer. Those that have ended keep their place until there are too many."""
_limit = 256
_OVER = WorldBinding(None, open=False)
"""Of a world whose binding nothing holds any more."""


def watch_running_loop() -> None:
    """Watch the running loop, which may have taken its hooks before ours were in place."""
    loop: Any = get_running_loop()
    taken_by: Any = getattr(sys.get_asyncgen_hooks().firstiter, "__self__", None)
    if taken_by == loop:
        sys.set_asyncgen_hooks(loop._asyncgen_firstiter_hook, loop._asyncgen_finalizer_hook)


@in_place_of("uvloop", "Loop._asyncgen_firstiter_hook", if_imported=True)
@in_place_of("asyncio", "BaseEventLoop._asyncgen_firstiter_hook")
def _begins(original: Callable[..., Any]) -> Callable[..., Any]:
    def firstiter(self: Any, agen: Any) -> None:
        binding = current.get()
        if binding is not None:
            _begun[id(agen)] = _Begun(ref(agen), ref(self), ref(binding))
            _forget_ended()
        else:
            _begun.pop(id(agen), None)
        original(self, agen)

    return firstiter


@in_place_of("uvloop", "Loop._asyncgen_finalizer_hook", if_imported=True)
@in_place_of("asyncio", "BaseEventLoop._asyncgen_finalizer_hook")
def _is_garbage(original: Callable[..., Any]) -> Callable[..., Any]:
    def finalizer(self: Any, agen: Any) -> None:
        with _where(_begun.pop(id(agen), None)):  # the loop closes it in a task with a copy of this context
            original(self, agen)

    return finalizer


@in_place_of("uvloop", "Loop.shutdown_asyncgens", if_imported=True)
@in_place_of("asyncio", "BaseEventLoop.shutdown_asyncgens")
def _loop_ends(original: Callable[..., Any]) -> Callable[..., Any]:
    async def shutdown_asyncgens(self: Any) -> None:
        mine = [begun for begun in _begun.values() if begun.loop() is self]
        for begun in mine:
            if (agen := begun.generator()) is not None:
                with _where(begun):
                    await _close(self, agen)
        await original(self)

    return shutdown_asyncgens


async def _close(loop: Any, agen: Any) -> None:
    try:
        await agen.aclose()
    except Exception as error:  # noqa: BLE001  as the loop itself does
        message = f"an error occurred during closing of asynchronous generator {agen!r}"
        loop.call_exception_handler({"message": message, "exception": error, "asyncgen": agen})


@contextmanager
def _where(begun: _Begun | None) -> Iterator[None]:
    """A context in the world in which a generator was begun."""
    if begun is None:
        yield
        return
    token = current.set(begun.binding() or _OVER)
    try:
        yield
    finally:
        current.reset(token)


def _forget_ended() -> None:
    global _limit
    if len(_begun) > _limit:
        for key in [key for key, begun in _begun.items() if begun.generator() is None]:
            del _begun[key]
        _limit = max(256, 2 * len(_begun))
