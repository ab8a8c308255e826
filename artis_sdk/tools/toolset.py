"""Toolsets: tools collected from functions, modules, and objects whose class is left alone."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from types import MethodType, ModuleType
from typing import Any, cast

from artis_sdk.errors import ToolDefinitionError
from artis_sdk.records import Risk, State, ToolSpec
from artis_sdk.records.jsonable import snapshot
from artis_sdk.tools.decorator import define, tool_of
from artis_sdk.tools.definition import MethodOptions
from artis_sdk.tools.failures import Failures
from artis_sdk.tools.framework_objects import framework_tool
from artis_sdk.tools.guarded import GuardedTool
from artis_sdk.tools.object_forks import Fork, give_fork
from artis_sdk.tools.object_methods import plain_method, public_methods

Tool = GuardedTool[..., Any]


class Toolset:
    """Tools under unique names. Iteration yields tools, each callable like its guarded function.

    Args:
        tools: guarded tools, guarded functions, bound guarded methods; or plain functions, and tool objects
            of the frameworks in `artis_sdk.integrations`, which are guarded here as irreversible.

    Raises:
        ToolDefinitionError: two tools have one name, or something cannot be a tool.
    """

    def __init__(self, *tools: Tool | Callable[..., Any]) -> None:
        self._tools: dict[str, Tool] = {}
        for given in tools:
            tool = _tool(given)
            if tool.name in self._tools:
                raise ToolDefinitionError(f"two tools are named {tool.name!r}; rename one, or pass prefix=")
            self._tools[tool.name] = tool

    @classmethod
    def from_functions(
        cls,
        *functions: Callable[..., Any],
        risks: Mapping[str, Risk] | None = None,
        default_risk: Risk = Risk.IRREVERSIBLE,
        failures: Failures | None = None,
    ) -> Toolset:
        """Guard functions that are not decorated; `risks` is by function name."""
        risks = _known(risks, {function.__name__ for function in functions})
        return cls(
            *(
                define(
                    function,
                    takes_self=False,
                    risk=risks.get(function.__name__, default_risk),
                    failures=failures,
                )
                for function in functions
            )
        )

    @classmethod
    def from_module(cls, module: ModuleType) -> Toolset:
        """The decorated functions under a module's public names."""
        tools = [
            tool_of(value)
            for name, value in vars(module).items()
            if not name.startswith("_") and inspect.isroutine(value) and hasattr(value, "__guarded_tool__")
        ]
        if not tools:
            sets = [name for name, value in vars(module).items() if isinstance(value, Toolset)]
            raise ToolDefinitionError(
                f"{module.__name__} has no function decorated with @guarded_tool"
                + (f"; name its Toolset: {module.__name__}:{sets[0]}" if sets else "")
            )
        return cls(*dict.fromkeys(tools))

    @classmethod
    def from_object(
        cls,
        obj: object,
        *,
        include: Iterable[str] | None = None,
        exclude: Iterable[str] | None = None,
        prefix: str = "",
        tools: Mapping[str, MethodOptions] | None = None,
        risks: Mapping[str, Risk] | None = None,
        default_risk: Risk = Risk.IRREVERSIBLE,
        failures: Failures | None = None,
        check_types: bool = True,
        hide: Iterable[str] = (),
        inject: Mapping[str, Any] | None = None,
        fork: Fork | None = None,
    ) -> Toolset:
        """Guard the public methods of an object without editing its class.

        The object's own methods stay as they are: only calls through the tools are guarded. Decorated
        methods keep their decorator's options, except for a risk set here.

        Args:
            obj: any object.
            include: names of the methods to guard; all public ones by default.
            exclude: names to leave out.
            prefix: start of every tool's name, to distinguish two objects of one class.
            tools: options of `guarded_tool` by method name:
                `tools={"charge": dict(idempotency_key="key", reconcile=look_it_up)}`.
            risks: risks by method name, for methods that need no other options.
            default_risk: risk of all other methods.
            failures: `failures` of `guarded_tool`, for every method without its own in `tools`.
            check_types: False for a class whose callers do not keep to its annotations: models
                see them, but only the parameters' names of a call are checked.
            hide, inject: as in `guarded_tool`, for every method that has such a parameter and is not
                decorated.
            fork: function that copies the object for a sandbox, see `artis_sdk.simulators.forks`; by
                default its `__fork__` method, else a deep copy.

        Raises:
            ToolDefinitionError: a class in an object's place, a name without a method, an unknown option, a
                method that cannot be a tool.
        """
        if isinstance(obj, type):
            raise ToolDefinitionError(
                f"{obj.__name__} is a class; pass an object of it, whose methods are the tools"
            )
        methods = public_methods(obj)
        wanted = _known(_names("include", include), methods) if include is not None else methods
        unwanted = _known(_names("exclude", exclude or ()), methods)
        options = _options(tools, risks, methods)
        general: MethodOptions = {"risk": default_risk, "failures": failures}
        chosen = [name for name in methods if name in wanted and name not in unwanted]
        hidden = _hidden(obj, chosen, hide, inject or {})
        if fork is not None:
            give_fork(obj, fork)
        return cls(
            *(
                _method(
                    obj,
                    name,
                    methods[name],
                    prefix,
                    options.get(name, {}),
                    general,
                    check_types,
                    hidden,
                    inject or {},
                )
                for name in chosen
            )
        )

    def __add__(self, other: Toolset) -> Toolset:
        return Toolset(*self, *other) if isinstance(other, Toolset) else NotImplemented

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._tools.values())

    def __len__(self) -> int:
        return len(self._tools)

    def __contains__(self, name: object) -> bool:
        return name in self._tools

    def __getitem__(self, name: str) -> Tool:
        return self._tools[name]

    def get(self, name: str) -> Tool | None:
        """The tool of this name; None if there is none."""
        return self._tools.get(name)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the tools, in their order."""
        return tuple(self._tools)

    @cached_property
    def specs(self) -> tuple[ToolSpec, ...]:
        """The tools as models see them, made once."""
        return tuple(tool.spec for tool in self)

    @cached_property
    def owners(self) -> tuple[object, ...]:
        """The objects behind the tools, each once, in order."""
        return tuple({id(tool.owner): tool.owner for tool in self if tool.owner is not None}.values())

    def state(self) -> State:
        """A JSON snapshot of the public attributes of the objects behind the tools.

        Keys are class names, numbered from the second object of a class on; None without objects. A
        library's service inside an object, such as an engine, a client or a logger, is `<its type>`.
        """
        found: dict[str, Any] = {}
        for owner in self.owners:
            name = base = type(owner).__name__
            number = 1
            while name in found:
                number += 1
                name = f"{base}_{number}"
            found[name] = snapshot(owner)
        return found or None


def _tool(given: Tool | Callable[..., Any]) -> Tool:
    if isinstance(given, GuardedTool):
        tool: Tool = given
    elif hasattr(given, "__guarded_tool__"):
        tool = tool_of(given)
        if isinstance(given, MethodType):
            tool = tool.on(given.__self__)
    elif isinstance(given, list | tuple | set | Toolset):
        raise ToolDefinitionError(
            f"Toolset takes tools one by one: Toolset(*tools), not a {type(given).__name__}"
        )
    else:
        tool = framework_tool(given) or define(given, takes_self=False)
    if tool.needs_owner:
        raise ToolDefinitionError(
            f"{tool.name} is a method; take it from an object: Toolset(obj.{tool.name})"
        )
    return tool


def _options(
    tools: Mapping[str, MethodOptions] | None, risks: Mapping[str, Risk] | None, methods: Iterable[str]
) -> dict[str, MethodOptions]:
    """Each method's options, from both arguments; raises `ToolDefinitionError` for a wrong name."""
    found: dict[str, MethodOptions] = {}
    for name, options in _known(tools, methods).items():
        if not isinstance(options, Mapping):
            raise ToolDefinitionError(
                f"{name}: tools= has the options of each method by name, such as "
                f"{{{name!r}: {{'risk': Risk.READ_ONLY}}}}, not {options!r}"
            )
        for option in options:
            if option not in MethodOptions.__annotations__:
                close = difflib.get_close_matches(option, MethodOptions.__annotations__, n=1)
                known = (
                    f"did you mean {close[0]!r}?"
                    if close
                    else f"the options are {', '.join(MethodOptions.__annotations__)}"
                )
                raise ToolDefinitionError(f"{name}: tools= has no option {option!r}; {known}")
        found[name] = cast(MethodOptions, dict(options))
    for name, risk in _known(risks, methods).items():
        if "risk" in found.setdefault(name, {}):
            raise ToolDefinitionError(f"{name}: its risk is set twice, in tools= and in risks=")
        found[name]["risk"] = risk
    return found


def _method(
    obj: object,
    name: str,
    value: Any,
    prefix: str,
    options: MethodOptions,
    general: MethodOptions,
    check_types: bool,
    hidden: frozenset[str],
    inject: Mapping[str, Any],
) -> Tool:
    if hasattr(value, "__guarded_tool__") or hasattr(getattr(value, "__func__", None), "__guarded_tool__"):
        tool = _tool(getattr(obj, name))
        others = sorted(options.keys() - {"risk"})
        if others:
            raise ToolDefinitionError(
                f"{name} is decorated with @guarded_tool; set {', '.join(others)} there, not in tools="
            )
        return tool.as_(prefix + tool.name, options.get("risk", tool.risk))
    function, owner = plain_method(obj, name, value)
    mine = hidden & inspect.signature(function).parameters.keys() if hidden else hidden
    said = general.copy()
    said.update(options)
    tool = define(
        function,
        check_types,
        takes_self=owner is not None,
        name=prefix + name,
        hide=mine - inject.keys(),
        inject={parameter: inject[parameter] for parameter in inject if parameter in mine},
        **said,
    )
    return tool if owner is None else tool.on(owner)


def _hidden(
    obj: object, methods: Iterable[str], hide: Iterable[str], inject: Mapping[str, Any]
) -> frozenset[str]:
    """The hidden parameters; raises `ToolDefinitionError` for one that no method has."""
    if isinstance(hide, str):
        raise ToolDefinitionError(f"hide must be a collection of names, such as hide=({hide!r},)")
    hidden = frozenset(hide) | inject.keys()
    if not hidden:
        return hidden
    plain = [getattr(obj, name) for name in methods]
    known = {
        name
        for method in plain
        if not hasattr(method, "__guarded_tool__")
        for name in inspect.signature(method).parameters
    }
    unknown = sorted(hidden - known)
    if unknown:
        raise ToolDefinitionError(
            f"hide or inject names {', '.join(unknown)}, which is not a parameter of any method"
        )
    return hidden


def _names(option: str, given: Iterable[str]) -> dict[str, None]:
    """Names of methods, each once; one name alone is not taken for its letters."""
    if isinstance(given, str):
        raise ToolDefinitionError(f"{option} must be a collection of names, such as {option}=[{given!r}]")
    return dict.fromkeys(given)


def _known(given: Mapping[str, Any] | None, names: Iterable[str]) -> Mapping[str, Any]:
    unknown = sorted(set(given or {}) - set(names))
    if unknown:
        raise ToolDefinitionError(
            f"no such function or method: {', '.join(unknown)}; there are {', '.join(names)}"
        )
    return given or {}
