"""Where a tool's source leaves the project: well-known calls, installed packages one level deep, the rest."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import FunctionType
from typing import Final

from artis_sdk.tools.source_checks.calls import Callees
from artis_sdk.tools.source_checks.code import NoSource, SourceCode, same_project, source_of
from artis_sdk.tools.source_checks.errors import Handlers, names_of, stops
from artis_sdk.tools.source_checks.known_calls import (
    KnownFailure,
    failure_of_access,
    failures_of_call,
    packages,
)
from artis_sdk.tools.source_checks.shapes import NameTable, known
from artis_sdk.tools.source_checks.sites import AccessSite, CallSite, Scan, Site
from artis_sdk.tools.source_checks.static import is_class
from artis_sdk.tools.source_checks.trees import written

Guards = tuple[tuple[Handlers, NameTable], ...]

_HARMLESS: Final = frozenset(
    {name for kind in (str, bytes, list, dict, set, tuple, int, float) for name in dir(kind)}
)
_BUILTINS: Final = frozenset(dir(sys.modules["builtins"]))


@dataclass
class OutsideFailures:
    """What the functions of one tool call beyond its project."""

    sites: list[tuple[Site, tuple[str, ...]]] = field(default_factory=list)
    """Failures of well-known calls and of packages' own statements, each with the functions between."""
    left: dict[str, int] = field(default_factory=dict)
    """Calls whose source was not read, by their text, each with the line of the first."""

    def read(
        self,
        source: SourceCode,
        scan: Scan,
        callees: Callees,
        root: FunctionType,
        guards: Guards,
        path: tuple[str, ...],
    ) -> None:
        """Read one function of the project.

        Args:
            source, scan, callees: the function.
            root: the tool's own function.
            guards: the `try` statements around the calls that lead here.
            path: names of the functions between the tool and this one.
        """
        names, used = scan.names, packages(source.node, source.function.__globals__)
        for access in scan.accesses:
            found = failure_of_access(access.node)
            if found is not None:
                self._known(source, access, found, names, guards, path)
        for call in scan.calls:
            told = list(failures_of_call(call.node, names, used))
            for found in told:
                self._known(source, call, found, names, guards, path)
            targets = [t.function for t in callees.targets(call.node)]
            outside = [f for f in targets if not same_project(f, root)]
            for function in outside:
                inner = (*((g, names) for g in call.guards), *guards)
                self._package(function, call, inner, path)
            if not told and not targets and _leaves(call.node, names):
                self.left.setdefault(written(call.node.func), call.node.lineno)

    def _known(
        self,
        source: SourceCode,
        at: CallSite | AccessSite,
        found: KnownFailure,
        names: NameTable,
        guards: Guards,
        path: tuple[str, ...],
    ) -> None:
        if any(stops(h, found.error, n) for h, n in [*((g, names) for g in at.guards), *guards]):
            return
        site = Site(
            kind="call",
            file=source.file,
            line=at.node.lineno,
            end=at.node.end_lineno or at.node.lineno,
            function=source.name,
            type=found.name,
            template=None,
            condition=written(at.node)[:120],
            error=found.error,
        )
        self.sites.append((site, path))

    def _package(self, function: FunctionType, call: CallSite, guards: Guards, path: tuple[str, ...]) -> None:
        """The `raise` statements of a package's function; what that one calls is not read."""
        where = f"{function.__module__}.{function.__qualname__}"
        if (function.__module__ or "").partition(".")[0] in sys.stdlib_module_names:
            self.left.setdefault(where, call.node.lineno)
            return
        try:
            source = source_of(function)
        except NoSource:
            self.left.setdefault(where, call.node.lineno)
            return
        self.left.setdefault(f"what {where} calls", call.node.lineno)
        names = names_of(source)
        for site in Scan(source, names).sites:
            inside = [(g, names) for g in site.guards]
            if site.kind == "raise" and not any(stops(h, site.error, n) for h, n in [*inside, *guards]):
                self.sites.append((site, (*path, function.__qualname__)))

    def notes(self) -> Iterator[str]:
        """What was not read, in one sentence."""
        if self.left:
            shown = [f"{text} (line {line})" for text, line in list(self.left.items())[:6]]
            more = f" and {len(self.left) - 6} more" if len(self.left) > 6 else ""
            yield f"it leaves the project, and these were not read: {', '.join(shown)}{more}"


def _leaves(call: ast.Call, names: NameTable) -> bool:
    """Whether a call without a known target runs code that may fail."""
    match call.func:
        case ast.Name(id=name):
            found = names.value(call.func)
            return name not in _BUILTINS and not is_class(found) and known(found) and callable(found)
        case ast.Attribute(attr=name):
            return name not in _HARMLESS
    return False
