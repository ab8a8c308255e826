"""Pool jobs belong to the world of their submitter; the pool's threads and processes belong to no world.

So a pool may be older than the world, and serve others after it. A pool's thread runs a job in its
submitter's context; a pool's process refuses the guarded calls of a job that a world has submitted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from artis_sdk.tools.carry import bare, carry
from artis_sdk.tools.firewall import current
from artis_sdk.tools.patches import Make, in_place_of
from artis_sdk.tools.processes import Marked, mark

# Names of the classes, or base classes, of pools whose workers are threads of this process.
_THREADS = frozenset(("ThreadPoolExecutor", "ThreadPool"))
# A thread pool with an interpreter for each thread, which shares no context.
_INTERPRETERS = "InterpreterPoolExecutor"

ArgumentPlace = tuple[int, str]
"""Position, not counting the pool itself, and name of an argument."""


def _in_threads(pool: object) -> bool:
    kinds = {kind.__name__ for kind in type(pool).__mro__}
    return bool(kinds & _THREADS) and _INTERPRETERS not in kinds


def _mark(function: Callable[..., Any]) -> Callable[..., Any]:
    given = mark()
    return function if given is None else Marked(function, given)


def _given_to_pool(*functions: ArgumentPlace, callbacks: tuple[ArgumentPlace, ...] = ()) -> Make:
    """The patch of a pool's method.

    Args:
        functions: places of the functions that the workers run.
        callbacks: places of the functions that the pool's own threads run in this process.
    """

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def method(self: Any, /, *args: Any, **kwargs: Any) -> Any:
            in_threads = _in_threads(self)
            if (current.get() if in_threads else mark()) is None:
                return original(self, *args, **kwargs)
            given = list(args)
            for place in functions:
                _replace(given, kwargs, place, carry if in_threads else _mark)
            for place in callbacks:
                _replace(given, kwargs, place, carry)
            return bare(original, self, *given, **kwargs)

        return method

    return make


def _replace(
    args: list[Any], kwargs: dict[str, Any], place: ArgumentPlace, wrap: Callable[[Callable[..., Any]], Any]
) -> None:
    position, name = place
    if position < len(args):
        if args[position] is not None:
            args[position] = wrap(args[position])
    elif kwargs.get(name) is not None:
        kwargs[name] = wrap(kwargs[name])


_INITIALIZER = "initializer"
_CALLBACKS = ("callback", "error_callback")

in_place_of("concurrent.futures.thread", "ThreadPoolExecutor.__init__")(_given_to_pool((2, _INITIALIZER)))
in_place_of("concurrent.futures.thread", "ThreadPoolExecutor.submit")(_given_to_pool((0, "fn")))
in_place_of("concurrent.futures.process", "ProcessPoolExecutor.__init__")(_given_to_pool((2, _INITIALIZER)))
in_place_of("concurrent.futures.process", "ProcessPoolExecutor.submit")(_given_to_pool((0, "fn")))
# joblib's pool, which it hands from one caller to the next; joblib has a copy of the library.
for _loky in ("loky", "joblib.externals.loky"):
    in_place_of(f"{_loky}.process_executor", "ProcessPoolExecutor.submit", if_imported=True)(
        _given_to_pool((0, "fn"))
    )
in_place_of("gevent.threadpool", "ThreadPool.spawn", if_imported=True)(_given_to_pool((0, "func")))
in_place_of("multiprocessing.pool", "Pool.__init__")(_given_to_pool((1, _INITIALIZER)))
in_place_of("multiprocessing.pool", "Pool.imap", "Pool.imap_unordered")(_given_to_pool((0, "func")))
in_place_of("multiprocessing.pool", "Pool.apply_async")(
    _given_to_pool((0, "func"), callbacks=tuple(enumerate(_CALLBACKS, 3)))
)
in_place_of("multiprocessing.pool", "Pool._map_async")(
    _given_to_pool((0, "func"), callbacks=tuple(enumerate(_CALLBACKS, 4)))
)
