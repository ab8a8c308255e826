"""Threads, timers and pool jobs that a context starts stay in its world.

The context belongs to a pool's job, never to the pool's thread or process, which serves others later.
A late call, in any thread, finds its world closed and is refused.

Of the caller's context only this package's variables are carried, not the whole: an application's
threads have contexts of their own outside sessions, too, and a copy would share some state, such as
`decimal`'s precision. OpenTelemetry's instrumentation of threads does the same for its own variable.

A queue between an application and its own worker carries functions, alone or in a tuple; one to a process
of its own marks them. Not carried
are other items of such a queue (an amount that the worker is to pay), all items of a `SimpleQueue` or a
`deque`, a coroutine that is awaited elsewhere, callbacks from C, signal handlers, `__del__` and weak
references' callbacks, and code run in an empty `contextvars.Context()` on purpose. Their guarded calls
are of unknown origin: refused while the application's code is rehearsed or committed, plain afterwards.
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
from artis_sdk.tools.processes import INSIDE, Marked, mark

_OURS = "artis_sdk_"  # prefix of the names of this package's context variables

_FUNCTIONS = (FunctionType, BuiltinFunctionType, MethodType, partial, GuardedTool)

Values = tuple[tuple[ContextVar[Any], Any], ...]


def carried() -> Values | None:
    """This context's values to carry; None where it has no binding."""
    if current.get() is None:
        return None
    return tuple((var, value) for var, value in copy_context().items() if var.name.startswith(_OURS))


class Carried:
    """A function that runs, as does a coroutine of it, with the context variables of its sender.

    Args:
        function: the function to run.
        values: the result of `carried`.
    """

    __slots__ = ("__weakref__", "__wrapped__", "values")

    def __init__(self, function: Callable[..., Any], values: Values) -> None:
        self.__wrapped__ = function
        self.values = values

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        with Set(self.values):
            result = self.__wrapped__(*args, **kwargs)
        return _awaited(result, self.values) if isinstance(result, CoroutineType) else result

    def __getattr__(self, name: str) -> Any:
        """Attributes of the function, for code that inspects it."""
        return getattr(self.__wrapped__, name)

    def __deepcopy__(self, memo: object) -> Carried:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """For another process: `Marked`, so it refuses guarded calls."""
        return Marked, (self.__wrapped__, INSIDE)

    def __eq__(self, other: object) -> bool:
        """Equal to the function, so that `atexit.unregister` finds it."""
        return self.__wrapped__ == (other.__wrapped__ if isinstance(other, Carried) else other)

    def __hash__(self) -> int:
        return hash(self.__wrapped__)


def carry(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function with this context's carried values; itself without any, or where it carries some."""
    values = carried()
    return function if values is None or isinstance(function, Carried) else Carried(function, values)


def bare(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Call a function in a context without a binding: what it starts serves others, too."""
    token = current.set(None)
    try:
        return function(*args, **kwargs)
    finally:
        current.reset(token)


class Set:
    """Sets context variables during a block."""

    __slots__ = ("tokens", "values")

    def __init__(self, values: Values) -> None:
        self.values = values

    def __enter__(self) -> None:
        self.tokens = [(var, var.set(value)) for var, value in self.values]

    def __exit__(self, *_: object) -> None:
        for var, token in reversed(self.tokens):
            var.reset(token)


async def _awaited(coroutine: CoroutineType[Any, Any, Any], values: Values) -> Any:
    with Set(values):
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
    """Carries a function that is put into a queue for an application's worker."""

    def put(self: Any, item: Any, *args: Any, **kwargs: Any) -> Any:
        values = carried()
        if values is not None:
            item = _wrapped(item, lambda function: Carried(function, values))
        return original(self, item, *args, **kwargs)

    return put


@in_place_of("multiprocessing.queues", "Queue.put", "JoinableQueue.put", "SimpleQueue.put")
@in_place_of("multiprocessing.connection", "_ConnectionBase.send")
def _send(original: Callable[..., Any]) -> Callable[..., Any]:
    """Marks a function that is sent to a process of the application's, which may be older than the world."""

    def send(self: Any, item: Any, *args: Any, **kwargs: Any) -> Any:
        if mark() == INSIDE:
            item = _wrapped(item, lambda function: Marked(function, INSIDE))
        return original(self, item, *args, **kwargs)

    return send


def _wrapped(item: Any, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Any:
    """A queue's item with its function wrapped, which stands alone or in a tuple."""
    if isinstance(item, _FUNCTIONS):
        return wrap(item)
    if type(item) is tuple and any(isinstance(part, _FUNCTIONS) for part in item):
        return tuple(wrap(part) if isinstance(part, _FUNCTIONS) else part for part in item)
    return item


# --- executors of the application's -----------------------------------------------------------


@in_place_of("uvloop", "Loop.run_in_executor", if_imported=True)
@in_place_of("asyncio", "BaseEventLoop.run_in_executor")
def _in_executor(original: Callable[..., Any]) -> Callable[..., Any]:
    """The standard library's executors carry what is submitted to them; another class of them does not."""

    def run_in_executor(self: Any, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        return original(self, executor, carry(func), *args)

    return run_in_executor


# --- callbacks --------------------------------------------------------------------------------


@in_place_of("concurrent.futures", "Future.add_done_callback")
def _on_done(original: Callable[..., Any]) -> Callable[..., Any]:
    def add_done_callback(self: Any, fn: Callable[..., Any]) -> Any:
        return original(self, carry(fn))

    return add_done_callback


@in_place_of("weakref", "finalize.__init__")
def _on_death(original: Callable[..., Any]) -> Callable[..., Any]:
    def __init__(self: Any, obj: Any, func: Callable[..., Any], /, *args: Any, **kwargs: Any) -> None:
        # Bare, because the first finalizer registers the exit handler that runs all of them.
        bare(original, self, obj, carry(func), *args, **kwargs)

    return __init__


@in_place_of("atexit", "register")
def _at_exit(original: Callable[..., Any]) -> Callable[..., Any]:
    def register(func: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        original(carry(func), *args, **kwargs)
        return func

    return register
