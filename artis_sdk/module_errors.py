"""Why a module of the application's could not be imported: which of its lines failed, in one line."""

from __future__ import annotations

import sysconfig
import traceback
from pathlib import Path

_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})


def place_and_error(error: Exception) -> str:
    """The line of the application's code at which an import failed, the error, and the line's text."""
    said = f"{type(error).__name__}: {error.msg if isinstance(error, SyntaxError) else error}"
    if isinstance(error, SyntaxError) and error.filename is not None:
        return _told(error.filename, error.lineno, said, error.text)
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_application(frame.filename)]
    return _told(own[-1].filename, own[-1].lineno, said, own[-1].line) if own else said


def _told(file: str, line: int | None, said: str, text: str | None) -> str:
    path = Path(file)
    shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    shown_line = f": {text.strip()}" if text and text.strip() else ""
    return f"{shown}, line {line}: {said}{shown_line}"


def _is_application(file: str) -> bool:
    return not file.startswith(("<", str(Path(__file__).parent), *_LIBRARIES))
