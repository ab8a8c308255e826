"""The ways in which a tool can fail, read from its source and that of the functions it calls."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

from pydantic import BaseModel, ValidationError

from artis_sdk.records.outcome_type import HOLE, returned_type
from artis_sdk.tools import GuardedTool
from artis_sdk.tools.source_checks.calls import Callees, Live, Target
from artis_sdk.tools.source_checks.code import (
    NoSource,
    SourceCode,
    own_layer,
    plain_function,
    same_project,
    source_of,
)
from artis_sdk.tools.source_checks.errors import Handlers, Raised, exception_of, names_of, stops
from artis_sdk.tools.source_checks.outside import OutsideFailures
from artis_sdk.tools.source_checks.shapes import NameTable, shape
from artis_sdk.tools.source_checks.sites import Scan, Site
from artis_sdk.tools.source_checks.static import module_of, name_of, qualname_of, subclass
from artis_sdk.tools.source_checks.validators import (
    INVALID,
    hints_of,
    model_sites,
    models,
    parameter_sites,
    validators,
)

Tool = GuardedTool[..., Any]
Guard = tuple[Handlers, NameTable]

_DEEPEST = 6  # calls between a tool and a failure
_MOST = 200  # functions read for one tool


@dataclass(frozen=True, slots=True)
class FailureMode:
    """One way in which one tool fails."""

    tool: str
    site: Site
    path: tuple[str, ...] = ()
    """The functions between the tool and the site."""

    @property
    def type(self) -> str:
        """The exception class, or the returned failure's type with holes."""
        return self.site.type

    @property
    def label(self) -> str:
        """The type, with the message if it adds information."""
        template = self.site.template
        if self.site.kind == "return" or not template or template == HOLE:
            return self.type
        return f"{self.type}: {template}"

    @property
    def where(self) -> str:
        """File name and line."""
        return f"{Path(self.site.file).name}:{self.site.line}"

    @property
    def in_source(self) -> bool:
        """A statement of the tools' own code, whose line runs when it fails; pydantic's are not."""
        return self.site.kind != "validator"

    @property
    def key(self) -> tuple[str, str, int, str]:
        """Equal for the same mode of the same source."""
        return (self.tool, self.site.file, self.site.line, self.site.condition)


@dataclass(slots=True)
class ToolFailures:
    """The failure modes of one tool, from its source."""

    tool: str
    modes: tuple[FailureMode, ...] = ()
    functions: tuple[SourceCode, ...] = ()
    """The tool's function and those that it calls."""
    notes: list[str] = field(default_factory=list)
    """Functions that could not be read, with reasons."""
    outside: tuple[FailureMode, ...] = ()
    """Modes that no statement of the project makes: well-known calls, statements of installed packages, and
    the exceptions that the tool declares."""


def read_tool(tool: Tool) -> ToolFailures:
    """Read a tool's source and that of the functions it calls, if they belong to its project.

    A tool without readable source has no modes and a note.
    """
    found = ToolFailures(tool.name)
    function = plain_function(tool)
    if function is None:
        found.notes.append("no source: it is not written in Python")
        return found
    reader = _Reader(tool, function, found)
    try:
        reader.tool_itself()
    except NoSource as error:
        found.notes.append(str(error))
        return found
    reader.parameters()
    found.modes = tuple(sorted(reader.modes.values(), key=lambda m: (m.path, m.site.line, m.site.condition)))
    found.functions = tuple(reader.sources.values())
    found.outside = tuple(sorted(reader.others(), key=lambda m: (m.path, m.site.line, m.site.type)))
    found.notes += reader.outside.notes()
    return found


class _Reader:
    def __init__(self, tool: Tool, root: FunctionType, found: ToolFailures) -> None:
        self.tool = tool
        self.root = root
        self.found = found
        self.modes: dict[tuple[str, str, int, str], FailureMode] = {}
        self.sources: dict[CodeType, SourceCode] = {}
        self.outside = OutsideFailures()
        self._entered: set[tuple[FunctionType, bool, bool]] = set()
        owner = tool.owner
        self._on = Live(owner) if owner is not None else None

    def tool_itself(self) -> None:
        """Read the tool's function, through its own decorators if they call it.

        Raises:
            NoSource: the tool's function cannot be read.
        """
        self.sources[self.root.__code__] = source_of(self.root)
        outermost = own_layer(self.tool)
        if outermost is not None and outermost is not self.root:
            name = outermost.__code__.co_qualname
            self._called(Target(outermost, self._on), (), (name,), returned=True)
        if not any(function is self.root for function, _, _ in self._entered):
            self.function(Target(self.root, self._on), (), (), returned=True)

    def function(
        self, target: Target, guards: tuple[Guard, ...], path: tuple[str, ...], *, returned: bool
    ) -> None:
        """Read one function.

        Args:
            target: the function, with its object or class.
            guards: the `try` statements around the calls that lead here, innermost first.
            path: names of the functions between the tool and this one.
            returned: whether its return value may become the tool's result.
        """
        if target.function is self.root:  # through a decorator: it is the tool nonetheless
            target, path = Target(self.root, self._on), ()
        key = (target.function, returned, bool(guards))
        if key in self._entered or len(self.sources) >= _MOST or len(path) > _DEEPEST:
            return
        self._entered.add(key)
        source = source_of(target.function)
        self.sources[source.function.__code__] = source
        names = names_of(source)
        callees = Callees(source, names, target.on)
        scan = Scan(source, names, partial(self._made, callees))
        for site in scan.sites:
            if site.kind == "return":
                if returned:
                    self._add(site, path)
            elif not _caught(site.error, [*((g, names) for g in site.guards), *guards]):
                self._add(site, path)
        self.outside.read(source, scan, callees, self.root, guards, path)
        for call in scan.calls:
            inner = (*((g, names) for g in call.guards), *guards)
            for called in callees.targets(call.node):
                self._called(
                    called, inner, (*path, called.function.__qualname__), returned=returned and call.returned
                )
            for cls in callees.classes(call.node):
                if subclass(cls, BaseModel):
                    self._model(cls, inner, (*path, qualname_of(cls)))

        for read in scan.attributes:
            inner = (*((g, names) for g in read.guards), *guards)
            for getter in callees.getters(read.node):
                self._called(getter, inner, (*path, getter.function.__qualname__), returned=False)

    def parameters(self) -> None:
        """The failures from the tool's own schema."""
        if not self.tool.checks_types:
            return
        source = self.sources[self.root.__code__]
        for site in parameter_sites(source, self.tool.hidden):
            self._add(site, ())
        for hint in hints_of(source):
            for checker in validators(hint):
                self._checker(checker, INVALID, ())
            for model in models(hint):
                for site in model_sites(model):
                    self._add(_as(site, INVALID), (qualname_of(model),))
                for checker in validators(model):
                    self._checker(checker, INVALID, (qualname_of(model),))

    def others(self) -> Iterator[FailureMode]:
        """The modes from outside the project, and the declared ones that none of all is of."""
        found: dict[tuple[str, int, str], FailureMode] = {}
        for site, path in self.outside.sites:
            key = (site.file, site.line, site.type)
            if key not in found or len(path) < len(found[key].path):
                found[key] = FailureMode(self.tool.name, site, path)
        yield from found.values()
        known = {mode.type for mode in (*self.modes.values(), *found.values())}
        code = self.root.__code__
        for error in self.tool.declared_failures:
            if name_of(error) not in known:
                site = Site(
                    kind="declared",
                    file=code.co_filename,
                    line=code.co_firstlineno,
                    end=code.co_firstlineno,
                    function=self.root.__qualname__,
                    type=name_of(error),
                    template=None,
                    condition="declared in failures=",
                    error=error,
                )
                yield FailureMode(self.tool.name, site)

    def _called(
        self, target: Target, guards: tuple[Guard, ...], path: tuple[str, ...], *, returned: bool
    ) -> None:
        made_by_python = target.function.__code__.co_filename.startswith("<string>")  # a dataclass's __init__
        if made_by_python or not same_project(target.function, self.root):
            return
        try:
            self.function(target, guards, path, returned=returned)
        except NoSource as error:
            note = f"{target.function.__qualname__}, which it calls: {error}"
            if note not in self.found.notes:
                self.found.notes.append(note)

    def _model(self, model: type[BaseModel], guards: tuple[Guard, ...], path: tuple[str, ...]) -> None:
        if not same_project_class(model, self.root) or _caught(ValidationError, list(guards)):
            return
        for site in model_sites(model):
            self._add(site, path)
        for checker in validators(model):
            self._checker(checker, "ValidationError", path)

    def _checker(self, checker: FunctionType | None, type_: str, path: tuple[str, ...]) -> None:
        """A validator's own `raise`, which reaches the caller inside pydantic's error."""
        if checker is None or not same_project(checker, self.root):
            return
        try:
            source = source_of(checker)
        except NoSource:
            return
        self.sources[source.function.__code__] = source
        for site in Scan(source, names_of(source)).sites:
            if site.kind == "raise":
                self._add(_as(site, type_), (*path, checker.__qualname__))

    def _add(self, site: Site, path: tuple[str, ...]) -> None:
        mode = FailureMode(self.tool.name, site, path)
        known = self.modes.get(mode.key)
        if known is None or len(path) < len(known.path):
            self.modes[mode.key] = mode

    def _made(self, callees: Callees, call: ast.Call, names: NameTable) -> Any:
        """The return value of a function of the project, if each return is a failure or an exception."""
        targets = [t for t in callees.targets(call) if t.function.__name__ not in ("__init__", "__new__")]
        if len(targets) != 1 or not same_project(targets[0].function, self.root):
            return HOLE
        try:
            source = source_of(targets[0].function)
        except NoSource:
            return HOLE
        inside = names_of(source)
        bound = NameTable({**inside.locals, **_bound(source, call, names)}, inside.globals)
        made = [_failing(node.value, bound) for node in _returns(source.node)]
        return made[0] if made and HOLE not in made else HOLE


def same_project_class(cls: type, root: FunctionType) -> bool:
    """Whether a class is part of the code that a tool was written with."""
    return module_of(cls).partition(".")[0] == (root.__module__ or "").partition(".")[0]


def _caught(error: type[BaseException] | None, guards: list[Guard]) -> bool:
    return any(stops(handlers, error, names) for handlers, names in guards)


def _as(site: Site, type_: str) -> Site:
    """A failure that is wrapped in pydantic's own."""
    template = HOLE if site.template is None else f"{HOLE}{site.template}{HOLE}"
    return replace(site, kind="validator", type=type_, template=template)


def _bound(source: SourceCode, call: ast.Call, names: NameTable) -> dict[str, Any]:
    """The called function's parameters with this call's values."""
    arguments = source.node.args
    every = [a.arg for a in (*arguments.posonlyargs, *arguments.args)]
    every = every[1:] if every[:1] in (["self"], ["cls"]) else every
    given = dict(zip(every, call.args, strict=False)) | {k.arg: k.value for k in call.keywords if k.arg}
    return {name: shape(value, names) for name, value in given.items()}


def _returns(node: ast.AST) -> Iterator[ast.Return]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Return):
            yield child
        elif not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            yield from _returns(child)


def _failing(value: ast.expr | None, names: NameTable) -> Any:
    """The failure or exception that a `return` returns; `HOLE` for any other value."""
    if value is None:
        return HOLE
    raised: Raised = exception_of(value, names)
    if raised.error is not None:
        return raised
    said = shape(value, names)
    return said if said != HOLE and returned_type(said) is not None else HOLE
