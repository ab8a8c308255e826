"""Processes that are started inside a world carry a mark, so that guarded calls are refused there.

No mark reaches a library that starts processes in C without Python's audit events (except `uvloop`,
patched here), nor a library's own pool whose processes are older than the world.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from artis_sdk.lease import ProcessLease, is_held, sweep
from artis_sdk.tools.firewall import OUTSIDE, WorldBinding, current, firewall, lock, refuse
from artis_sdk.tools.patches import in_place_of, install, on_audit

MARK = "ARTIS_WORLD"
"""The environment variable that marks a process."""

INSIDE = "inside"
"""The mark of a process that a world has started: its guarded calls are always refused. Any other mark is
the path of a lock file: the origin is unknown, and calls are refused as long as that lock is held."""

_PREFIX = f"export {MARK}="


def mark() -> str | None:
    """The mark for a process that this context starts; None for no mark."""
    binding = current.get()
    if binding is OUTSIDE:
        return None
    if binding is not None or firewall.started == INSIDE:
        return INSIDE
    return _lease() or firewall.started


def arrived(given: str) -> None:
    """Record the mark that this process was started with."""
    with lock:
        if firewall.started != INSIDE:
            firewall.started = given
        firewall.update()
    install()


def still_holds(given: str) -> bool:
    """Whether calls of unknown origin are still refused under a mark."""
    return given == INSIDE or is_held(Path(given))


def _lease() -> str | None:
    """Path of the file that is locked while `firewall.running` is not empty; None if it is empty."""
    if not firewall.running:
        return None
    with lock:
        if not firewall.running:  # it has ended meanwhile
            return None
        if firewall.lease is None:
            if os.name != "posix":  # not tried elsewhere: the strictest mark
                return INSIDE
            beside = Path(tempfile.gettempdir(), f"artis-world-{os.getuid()}")
            sweep(beside)
            firewall.lease = ProcessLease(beside)
        return str(firewall.lease.path)


class Marked:
    """A function for a pool's process: its guarded calls are refused there, also late ones.

    Args:
        function: the submitted function.
        given: the submitter's mark.
    """

    def __init__(self, function: Callable[..., Any], given: str) -> None:
        self.function = function
        self.given = given

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not still_holds(self.given):
            return self.function(*args, **kwargs)
        install()
        token = current.set(WorldBinding(None, process=0))
        try:
            return self.function(*args, **kwargs)
        finally:
            current.reset(token)


# --- starts of processes ----------------------------------------------------------------------


class _Arrival:
    """Marks the process that unpickles it."""

    def __init__(self, given: str) -> None:
        self._given = given

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return arrived, (self._given,)


@in_place_of("multiprocessing.spawn", "get_preparation_data")
def _multiprocessing(original: Callable[..., Any]) -> Callable[..., Any]:
    """Patches the data that a child reads first, also a child of a fork server."""

    def get_preparation_data(*args: Any, **kwargs: Any) -> Any:
        data = original(*args, **kwargs)
        if (given := mark()) is not None:
            data = {"artis_sdk": _Arrival(given), **data}
        return data

    return get_preparation_data


@in_place_of("subprocess", "Popen.__init__")
def _popen(original: Callable[..., Any]) -> Callable[..., Any]:
    def __init__(self: Any, *args: Any, **kwargs: Any) -> Any:
        if (given := mark()) is None:
            return original(self, *args, **kwargs)
        if len(args) > 10:  # the environment by position
            args = (*args[:10], _marked(args[10], given), *args[11:])
        else:
            kwargs["env"] = _marked(kwargs.get("env"), given)
        return original(self, *args, **kwargs)

    return __init__


@in_place_of("uvloop", "Loop.subprocess_exec", "Loop.subprocess_shell", if_imported=True)
def _uvloop(original: Callable[..., Any]) -> Callable[..., Any]:
    """`uvloop` starts processes in its own C code."""

    def start(*args: Any, **kwargs: Any) -> Any:
        if (given := mark()) is not None:
            kwargs["env"] = _marked(kwargs.get("env"), given)
        return original(*args, **kwargs)

    return start


@in_place_of("os", "execve", "posix_spawn", "posix_spawnp")
def _with_environment(original: Callable[..., Any]) -> Callable[..., Any]:
    def start(path: Any, args: Any, env: Any, *rest: Any, **kwargs: Any) -> Any:
        given = mark()
        return original(path, args, env if given is None else _marked(env, given), *rest, **kwargs)

    return start


@in_place_of("os", "execv")
def _without_environment(original: Callable[..., Any]) -> Callable[..., Any]:
    def execv(path: Any, args: Any, /) -> Any:
        given = mark()
        return original(path, args) if given is None else os.execve(path, args, _marked(None, given))

    return execv


@in_place_of("os", "system")
def _shell(original: Callable[..., Any]) -> Callable[..., Any]:
    def system(command: Any) -> Any:
        given = mark()
        if given is None or os.name != "posix":
            return original(command)
        return original(f"{_PREFIX}'{given}'\n{os.fsdecode(command)}")

    return system


def _marked(env: Mapping[Any, Any] | None, given: str) -> dict[Any, Any]:
    marked = dict(os.environ if env is None else env)
    marked.pop(MARK.encode(), None)
    marked[MARK] = given
    return marked


# --- the second wall --------------------------------------------------------------------------

# By audit event, the index of its environment argument.
_ENVIRONMENT = {"os.exec": 2, "os.posix_spawn": 2, "os.spawn": 3, "subprocess.Popen": 3}


@on_audit(*_ENVIRONMENT, "os.system", "os.startfile", "os.startfile/2")
def _check(event: str, args: tuple[Any, ...]) -> None:
    """Sees every start, also through a name that was imported before the patch was installed."""
    given = mark()
    if given is None:
        return
    env = args[_ENVIRONMENT[event]] if event in _ENVIRONMENT else None
    if _carries(os.environ if env is None else env, given):
        return
    if event == "os.system" and os.fsdecode(args[0]).startswith(_PREFIX):
        return
    reason = (
        "refused inside a rehearsal or commit: a process started this way does not know of it, so its "
        "guarded calls would be real; use subprocess.run"
    )
    binding = current.get()
    if binding is not None and binding.process not in (0, os.getpid()):
        # Forked to be replaced: with an exception it would go on as a second copy of its parent.
        os.write(2, f"artis_sdk: {event}: {reason}\n".encode())
        os._exit(127)
    refuse(event, reason, binding)


def _carries(env: Mapping[Any, Any], given: str) -> bool:
    return any(os.fsdecode(name) == MARK and os.fsdecode(value) == given for name, value in env.items())


# --- forks ------------------------------------------------------------------------------------


def _before_fork() -> None:
    lock.acquire()
    if firewall.running and current.get() is None:
        _lease()


def _in_child() -> None:
    """A world's child is refused for good; a child of other code, as long as the lease is held."""
    firewall.started = mark()
    firewall.running.clear()
    firewall.lease = None
    firewall.update()
    lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=lock.release, after_in_child=_in_child)
