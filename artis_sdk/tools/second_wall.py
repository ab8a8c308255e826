"""The second wall: real code that starts past the guard in place is an error at once.

`in_place` exchanges the code of a function object. The real code can still be started in other ways: a
coroutine that was made before the session, a copy of the function object, a tool's `.function`. From Python
3.12 on the interpreter reports each start of a given code object (PEP 669), at no cost to all other code. On
3.11 nothing reports it, and these ways stay open.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from types import CodeType, FrameType, FunctionType
from typing import Any

from artis_sdk.tools.firewall import current, firewall, lock, refuse
from artis_sdk.tools.originals import running_body
from artis_sdk.tools.world import route

ToolName = Callable[[Any], str | None]
"""Function of a call's first argument: the name of the called tool; None if no tool is called."""

_monitoring: Any = getattr(sys, "monitoring", None)
_IDS = (3, 4, 5)
"""Ids of `sys.monitoring` that we may use; 0 to 2 belong to debuggers, coverage and profilers."""


@dataclass(eq=False, slots=True)
class _Watched:
    """A watched code object, and the tools' functions that have it: closures share their code."""

    code: CodeType
    functions: list[tuple[FunctionType, ToolName]] = field(default_factory=list)


_watched: dict[int, _Watched] = {}
"""By id of the code object, because different functions may have equal code."""
_taken: list[int] = []
"""Our id of `sys.monitoring` while any code is watched; empty where none was free."""


def watch(function: FunctionType, tool: ToolName) -> None:
    """Refuse, until `unwatch`, starts of the function's code that the firewall has not let through.

    Args:
        function: a function with the real code.
        tool: function that distinguishes a tool's calls from those on other objects.
    """
    if _monitoring is None:
        return
    code = function.__code__
    with lock:
        if not _watched:
            _take_id()
        watched = _watched.setdefault(id(code), _Watched(code))
        watched.functions.append((function, tool))
        if _taken:
            _monitoring.set_local_events(_taken[0], code, _monitoring.events.PY_START)


def unwatch(function: FunctionType) -> None:
    """End the watch of this function."""
    if _monitoring is None:
        return
    with lock:
        watched = _watched[id(function.__code__)]
        watched.functions = [entry for entry in watched.functions if entry[0] is not function]
        if watched.functions:
            return
        del _watched[id(watched.code)]
        if _taken:
            _monitoring.set_local_events(_taken[0], watched.code, _monitoring.events.NO_EVENTS)
        if not _watched:
            _give_id_back()


def _take_id() -> None:
    for tool_id in _IDS:
        if _monitoring.get_tool(tool_id) is None:
            _monitoring.use_tool_id(tool_id, "artis_sdk")
            _monitoring.register_callback(tool_id, _monitoring.events.PY_START, _started)
            _taken.append(tool_id)
            return
    import logging

    logging.getLogger("artis_sdk").warning(
        "sys.monitoring has no free tool id (%s are taken by other tools): this session does not notice "
        "a guarded function's code that is run without the guard, such as through a copy of the function",
        ", ".join(map(str, _IDS)),
    )


def _give_id_back() -> None:
    while _taken:
        tool_id = _taken.pop()
        _monitoring.register_callback(tool_id, _monitoring.events.PY_START, None)
        _monitoring.free_tool_id(tool_id)


def _started(code: CodeType, _: int) -> None:
    """Called by the interpreter before the first line of watched code; its exception is raised there."""
    binding = current.get()
    if binding is None and not firewall.active:
        return
    body = running_body.get()
    if body is not None and body.binding is binding:  # the call itself, or a part of it
        return
    name = _tool_of(code, sys._getframe(1))
    if name is not None and route(name) is not None:
        refuse(name, _PAST, binding)


def _tool_of(code: CodeType, frame: FrameType) -> str | None:
    """The name of the tool whose code a frame runs; None for another closure or object."""
    watched = _watched.get(id(code))
    if watched is None:  # meanwhile its session has ended
        return None
    values = frame.f_locals
    first = _first_argument(code, values)
    for function, tool in watched.functions:
        if _same_closure(function, values) and (name := tool(first)) is not None:
            return name
    return None


def _first_argument(code: CodeType, values: dict[str, Any]) -> Any:
    if code.co_argcount:
        return values.get(code.co_varnames[0])
    if code.co_flags & inspect.CO_VARARGS:
        given = values[code.co_varnames[code.co_kwonlyargcount]]
        return given[0] if given else None
    return None


def _same_closure(function: FunctionType, values: dict[str, Any]) -> bool:
    """Whether a frame has the function's closure values; a variable without a value is in no frame."""
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    unset = object()
    for name, cell in cells:
        try:
            value = cell.cell_contents
        except ValueError:
            value = unset
        if values.get(name, unset) is not value:
            return False
    return True


_PAST = (
    "refused before its first line: in a rehearsal or commit its real code was started past the tool (by a "
    "coroutine made earlier, a copy of the function, or the tool's `.function`). Call the tool, or the "
    "function by its name"
)
