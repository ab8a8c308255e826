"""What a context starts goes on belonging to its world: threads, timers, what pools are given.

The context belongs to the call that a pool is given, never to the pool's thread or process, which serves
others later. A call that comes late, in whatever thread, finds its world closed and is refused.

Of the caller's context only the variables of this package go along, not the whole: an application's
threads have contexts of their own outside sessions, too, and some things would be shared in a copy, such
as `decimal`'s precision. OpenTelemetry's instrumentation of threads does the same for its own variable.

A queue that an application feeds its own worker by carries functions, alone or in a tuple. Not carried
is what else waits in one (an amount that the worker is to pay), all that waits in a `SimpleQueue` or a
`deque`, a coroutine that is awaited elsewhere, callbacks from C, signal handlers, `__del__` and weak
references' callbacks, and what is run in an empty `contextvars.Context()` on purpose. Their guarded calls
are of unknown origin: refused while code of the application's is rehearsed or committed, plain afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, copy_context
from functools import partial
from types import BuiltinFunctionType, CoroutineType, FunctionType, MethodType
from typing import Any

from artis_sdk.tools.firewall import current
from artis_sdk.tools.guarded import GuardedTool
from artis_sdk.tools.patches import in_place_of
from artis_sdk.tools.processes import INSIDE, Marked

_OURS = "artis_sdk_"  # what the names of this package's context variables begin with

_FUNCTIONS = (FunctionType, BuiltinFunctionType, MethodType, partial, GuardedTool)

Values = tuple[tuple[ContextVar[Any], Any], ...]


def carried() -> Values | None:
    """What goes along from this context; None where it belongs to nothing."""
    if current.get() is None:
        return None
    return tuple((var, value) for var, value in copy_context().items() if var.name.startswith(_OURS))


class Carried:
    """A function that runs with the context variables of whoever gave it away, as does a coroutine of it.

    Args:
        function: what was handed over.
        values: as `carried` gives them.
    """

    __slots__ = ("__weakref__", "__wrapped__", "values")

    def __init__(self, function: Callable[..., Any], values: Values) -> None:
        self.__wrapped__ = function
        self.values = values

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        with _Set(self.values):
            result = self.__wrapped__(*args, **kwargs)
        return _awaited(result, self.values) if isinstance(result, CoroutineType) else result

    def __getattr__(self, name: str) -> Any:
        """As the function, for whoever looks at what it is given."""
        return getattr(self.__wrapped__, name)

    def __deepcopy__(self, memo: object) -> Carried:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """In another process it is refused."""
        return Marked, (self.__wrapped__, INSIDE)

    def __eq__(self, other: object) -> bool:
        """As the function, so that `atexit.unregister` finds it."""
        return self.__wrapped__ == (other.__wrapped__ if isinstance(other, Carried) else other)

    def __hash__(self) -> int:
        return hash(self.__wrapped__)


def carry(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function with what goes along from this context; itself where nothing does."""
    values = carried()
    return function if values is None else Carried(function, values)


def bare(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Call something with a context that belongs to nothing: what it starts serves others, too."""
    token = current.set(None)
    try:
        return function(*args, **kwargs)
    finally:
        current.reset(token)


class _Set:
    """Sets context variables for the time of a block."""

    __slots__ = ("tokens", "values")

    def __init__(self, values: Values) -> None:
        self.values = values

    def __enter__(self) -> None:
        self.tokens = [(var, var.set(value)) for var, value in self.values]

    def __exit__(self, *_: object) -> None:
        for var, token in reversed(self.tokens):
            var.reset(token)


async def _awaited(coroutine: CoroutineType[Any, Any, Any], values: Values) -> Any:
    with _Set(values):
        return await coroutine


# --- threads ----------------------------------------------------------------------------------


@in_place_of("threading", "Thread.start")
def _start(original: Callable[..., Any]) -> Callable[..., Any]:
    def start(self: Any) -> Any:
        values = carried()
        if values is None:
            return original(self)
        own = vars(self)
        before = {"run": own["run"]} if "run" in own else {}

        def restore() -> None:
            own.pop("run", None)
            own.update(before)

        def run() -> None:
            restore()
            Carried(self.run, values)()

        own["run"] = run
        try:
            return original(self)
        except BaseException:
            restore()
            raise

    return start


@in_place_of("_thread", "start_new_thread")
def _start_raw(original: Callable[..., Any]) -> Callable[..., Any]:
    def start_new_thread(function: Any, *args: Any) -> Any:
        return original(carry(function), *args)

    return start_new_thread


# --- queues -----------------------------------------------------------------------------------


@in_place_of("queue", "Queue.put")
@in_place_of("asyncio", "Queue.put_nowait")
def _put(original: Callable[..., Any]) -> Callable[..., Any]:
    """A function that a queue is given, alone or in a tuple, as an application's own worker takes it."""

    def put(self: Any, item: Any, *args: Any, **kwargs: Any) -> Any:
        values = carried()
        if values is not None:
            if isinstance(item, _FUNCTIONS):
                item = Carried(item, values)
            elif type(item) is tuple and any(isinstance(x, _FUNCTIONS) for x in item):
                item = tuple(Carried(x, values) if isinstance(x, _FUNCTIONS) else x for x in item)
        return original(self, item, *args, **kwargs)

    return put


# --- what calls back --------------------------------------------------------------------------


@in_place_of("concurrent.futures", "Future.add_done_callback")
def _on_done(original: Callable[..., Any]) -> Callable[..., Any]:
    def add_done_callback(self: Any, fn: Callable[..., Any]) -> Any:
        return original(self, carry(fn))

    return add_done_callback


@in_place_of("weakref", "finalize.__init__")
def _on_death(original: Callable[..., Any]) -> Callable[..., Any]:
    def __init__(self: Any, obj: Any, func: Callable[..., Any], /, *args: Any, **kwargs: Any) -> None:
        # Bare, because the first of all finalizers registers what runs them all at the interpreter's end.
        bare(original, self, obj, carry(func), *args, **kwargs)

    return __init__


@in_place_of("atexit", "register")
def _at_exit(original: Callable[..., Any]) -> Callable[..., Any]:
    def register(func: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        original(carry(func), *args, **kwargs)
        return func

    return register
