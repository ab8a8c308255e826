"""Tools guarded under their own names too, for as long as a session has them.

A caller's own agent may hold the plain function: in another framework's tool, in a list, by its name in a
module, as a method of an object. All of these are one function object, so its code is exchanged: each call
goes to the tool, and the real code is kept in a twin that only the tool's binding knows.
"""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import RLock
from types import CodeType, FunctionType
from typing import Any

from artis_sdk.errors import ConfigurationError
from artis_sdk.records import Risk
from artis_sdk.tools.guarded import GuardedTool
from artis_sdk.tools.object_methods import partial_of
from artis_sdk.tools.originals import running_body, twins
from artis_sdk.tools.routing import routed, routed_async
from artis_sdk.tools.second_wall import unwatch, watch
from artis_sdk.tools.world import current, refuse, route

Tool = GuardedTool[..., Any]

_lock = RLock()
_guarded: dict[FunctionType, _InPlace] = {}


@contextmanager
def guarded_in_place(tools: Iterable[Tool]) -> Iterator[None]:
    """Guard the functions behind the tools wherever else they are held, until the end of the block.

    Outside every world, and in the body of a real tool, they are the plain functions: a body's calls are
    part of the tool's call.

    Raises:
        ConfigurationError: a function can be reached by its name and cannot be guarded there, such as one
            written in C.
    """
    entered: list[tuple[FunctionType, Tool]] = []
    tools = tuple(tools)
    originals = {tool.original for tool in tools if isinstance(tool.original, FunctionType)}
    try:
        for tool in tools:
            function = tool.original
            filled = partial_of(function)
            if filled is not None:  # called by its name, a partial method calls the function inside it
                if filled not in originals:
                    raise ConfigurationError(
                        f"{tool.name} is a partial method of {filled.__qualname__}, which the session's own "
                        f"agent could call past the firewall; make {filled.__name__} a tool, too"
                    )
            elif isinstance(function, FunctionType):
                _enter(function, tool)
                entered.append((function, tool))
            elif function is not None and not tool.is_decorated:
                raise ConfigurationError(
                    f"{tool.name}: the session's own agent could call {function!r} directly, past the "
                    "firewall, and only Python functions can be guarded in place; wrap it, "
                    f"`def {tool.name}(...): return ...`, and pass the wrapper as the tool"
                )
        yield
    finally:
        for function, tool in reversed(entered):
            _unguard(function, tool)


def _enter(function: FunctionType, tool: Tool) -> None:
    with _lock:
        if function not in _guarded:
            _guarded[function] = _InPlace(function)
        _guarded[function].tools.append(tool)


def _unguard(function: FunctionType, tool: Tool) -> None:
    with _lock:
        found = _guarded[function]
        found.tools.remove(tool)
        if not found.tools:
            found.restore()
            del _guarded[function]


class _InPlace:
    """One function object whose code is exchanged."""

    def __init__(self, function: FunctionType) -> None:
        self.tools: list[Tool] = []
        """One tool for each session and object; the newest that fits a call takes it."""
        self._function = function
        self._code = function.__code__
        self.twin = twins[function] = _twin(function)
        self._had_signature = "__signature__" in vars(function)
        if not self._had_signature:  # frameworks that inspect it meanwhile see the real parameters
            function.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
        is_async = inspect.iscoroutinefunction(function)
        function.__code__ = _detour(self._code, self._call_async if is_async else self._call)
        watch(self.twin, self._name)

    def restore(self) -> None:
        unwatch(self.twin)
        self._function.__code__ = self._code
        del twins[self._function]
        if not self._had_signature:
            vars(self._function).pop("__signature__", None)

    def _call(self, /, *args: Any, **kwargs: Any) -> Any:
        args = self._with_object(args, kwargs)
        tool = self._tool(args)
        if tool is None or self._is_outside(tool):
            return self.twin(*args, **kwargs)
        return routed(tool, tool.function, args if tool.bound_to is None else args[1:], kwargs)

    async def _call_async(self, /, *args: Any, **kwargs: Any) -> Any:
        args = self._with_object(args, kwargs)
        tool = self._tool(args)
        if tool is None or self._is_outside(tool):
            return await self.twin(*args, **kwargs)
        return await routed_async(tool, tool.function, args if tool.bound_to is None else args[1:], kwargs)

    def _with_object(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """The positional arguments of a call, of a method with its object, which may come by its name."""
        names = self._code.co_varnames[: self._code.co_argcount]
        if args or not kwargs or not names or all(tool.bound_to is None for tool in self.tools):
            return args
        return (kwargs.pop(names[0]),) if names[0] in kwargs else args

    @staticmethod
    def _is_outside(tool: Tool) -> bool:
        """Whether a call of a function that only its framework may call belongs to no world; in one it is
        refused."""
        if tool.original_is_function:
            return False
        if route(tool.name) is not None:
            refuse(tool.name, _PAST_ITS_FRAMEWORK, current.get())
        return True

    def _tool(self, args: tuple[Any, ...]) -> Tool | None:
        """The tool of a call; None for a call on another object of the class, and in the body of a
        real tool."""
        binding, body = current.get(), running_body.get()
        if binding is not None and body is not None and body.is_real and body.binding is binding:
            return None
        first = args[0] if args else None
        tool = self._tool_on(first)
        if tool is None and isinstance(first, type):
            self._check_class(first)
        return tool

    def _check_class(self, cls: type) -> None:
        """Refuse a class method's call on another class than the tool's, which would run for real."""
        other = next((tool for tool in self.tools if isinstance(tool.bound_to, type)), None)
        if other is not None and route(other.name) is not None:
            refuse(other.name, _OTHER_CLASS.format(cls.__qualname__, other.name), current.get())

    def _name(self, first: Any) -> str | None:
        tool = self._tool_on(first)
        return None if tool is None else tool.name

    def _tool_on(self, first: Any) -> Tool | None:
        """The tool whose calls have this first argument; None for another object of the class.

        Of several sessions' tools it is that of the session whose agent acts here; for code that none of
        them rehearses, the one of the greatest risk.
        """
        fitting = [t for t in reversed(self.tools) if t.bound_to is None or t.bound_to is first]
        if len(fitting) > 1 and (binding := current.get()) is not None:
            own = {id(tool) for tool in binding.tools}
            fitting = [tool for tool in fitting if id(tool) in own] or fitting
            fitting.sort(key=lambda tool: _RISKS.index(tool.risk), reverse=True)
        return fitting[0] if fitting else None


def _twin(function: FunctionType) -> FunctionType:
    """A function with the same code, globals, defaults and closure."""
    twin = FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    twin.__kwdefaults__ = function.__kwdefaults__
    functools.update_wrapper(twin, function)
    del twin.__wrapped__  # type: ignore[attr-defined]
    if hasattr(function, "__wrapped__"):
        twin.__wrapped__ = function.__wrapped__  # type: ignore[attr-defined]
    return twin


_PAST_ITS_FRAMEWORK = (
    "refused: the function behind this tool was called past its framework's own way to call tools, by other "
    "code or by an agent that is not rehearsed. Name that agent in rehearsed(..., agents=...), or have the "
    "framework call the tool"
)
_OTHER_CLASS = (
    "refused: this class method was called on {0}, and the session's tool is that of another class. Make "
    "that of {0} a tool, too, or call it through tools[{1!r}]"
)
_RISKS = tuple(Risk)
_TARGET = "artis_sdk: what the call is handed to"
_SOURCE = """
{sync}def detour(*args, **kwargs):
    return {wait}{target!r}(*args, **kwargs)
"""


@functools.cache
def _template(is_async: bool) -> CodeType:
    """The code of a detour, with a text among its constants as a placeholder for the target."""
    source = _SOURCE.format(
        sync="async " if is_async else "", wait="await " if is_async else "", target=_TARGET
    )
    scope: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # "'str' object is not callable"
        exec(compile(source, "<guarded in place>", "exec"), scope)
    code: CodeType = scope["detour"].__code__
    return code


def _detour(code: CodeType, target: Callable[..., Any]) -> CodeType:
    """Code that fits into the function of `code` and passes its calls to `target`."""
    template = _template(bool(code.co_flags & inspect.CO_COROUTINE))
    constants: tuple[Any, ...] = tuple(target if c == _TARGET else c for c in template.co_consts)
    return template.replace(
        co_consts=constants,
        co_freevars=code.co_freevars,  # as many as the function's closure has
        co_filename=code.co_filename,
        co_firstlineno=code.co_firstlineno,
        co_name=code.co_name,
    )
