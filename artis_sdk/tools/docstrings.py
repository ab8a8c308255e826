"""Tool documentation from docstrings in Google, NumPy and Sphinx style."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Documentation:
    """A function's documentation from its docstring."""

    description: str = ""
    """Summary, body, return value and exceptions."""
    parameters: dict[str, str] = field(default_factory=dict)


def documentation(docstring: str | None) -> Documentation:
    """Parse a docstring; without a known style, the whole text is the description."""
    if not docstring or not docstring.strip():
        return Documentation()
    from docstring_parser import ParseError, parse

    try:
        parsed = parse(docstring)
    except ParseError:
        return Documentation(inspect.cleandoc(docstring))
    parts = [part for part in (parsed.short_description, parsed.long_description) if part]
    returned = parsed.returns
    if returned is not None and (returned.description or returned.type_name):
        parts.append("Returns: " + _line(returned.type_name, returned.description))
    parts += ["Raises: " + _line(raised.type_name, raised.description) for raised in parsed.raises]
    parameters = {
        parameter.arg_name.lstrip("*"): _flat(parameter.description)
        for parameter in parsed.params
        if parameter.description
    }
    return Documentation("\n".join(parts), parameters)


def _line(name: str | None, text: str | None) -> str:
    return ": ".join(part for part in (name, _flat(text)) if part)


def _flat(text: str | None) -> str:
    return " ".join((text or "").split())
