"""The lines of the tools' source that a call runs."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from types import CodeType, FrameType
from typing import Any

from artis_sdk.tools.source_checks.code import SourceCode, nested_code

Line = tuple[str, int]
"""File and line."""

_Trace = Callable[[FrameType, str, Any], Any]


class Trace:
    """Records the lines of some functions that run, in every thread started while it is on.

    Args:
        sources: the functions whose lines count.
    """

    def __init__(self, sources: Iterable[SourceCode]) -> None:
        self._files: dict[CodeType, str] = {}
        for source in sources:
            for code in nested_code(source.function.__code__):
                self._files[code] = source.file
        self._lines: set[Line] = set()

    def start(self, *, here: bool) -> None:
        """Begin; with `here` also in this thread, in which async tools run."""
        threading.settrace(self._call)
        if here:
            sys.settrace(self._call)

    def take(self) -> frozenset[Line]:
        """The lines since the last time."""
        lines = frozenset(self._lines)
        self._lines.clear()
        return lines

    def _call(self, frame: FrameType, event: str, argument: Any) -> _Trace | None:
        return self._line if frame.f_code in self._files else None

    def _line(self, frame: FrameType, event: str, argument: Any) -> _Trace:
        if event == "line":
            self._lines.add((self._files[frame.f_code], frame.f_lineno))
        return self._line
