"""What is wrong with a setting, by the name it was given by: an option, a variable, or a line of the file."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from tomllib import TOMLDecodeError
from typing import Any

from pydantic import ValidationError
from pydantic_settings import SettingsError


def meant(name: str, known: Iterable[str]) -> str:
    """The known name that is most like a misspelt one, as a question; else all of them."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"


def explain(
    error: ValidationError,
    *,
    given: Mapping[str, Any],
    environment: Mapping[str, str],
    prefix: str,
    file: str,
    names: Mapping[str, Iterable[str]],
) -> str:
    """One sentence for each wrong setting, which names its source.

    Args:
        error: what pydantic says.
        given: settings from the command line.
        environment: variables that are settings.
        prefix: what these begin with.
        file: name of the settings file.
        names: the names that may stand within a setting of several; `""` for the settings themselves.
    """
    said = []
    for problem in error.errors(include_url=False):
        parts = [str(part) for part in problem["loc"] if part != "[key]"]
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            within = "" if len(parts) == 1 else parts[0]
            message = f"there is no such setting; {meant(parts[-1], names.get(within, ()))}"
        said.append(f"{_source(parts, given, environment, prefix, file)}: {message}")
    return "; ".join(said)


def not_toml(error: TOMLDecodeError) -> str:
    """What is wrong in the settings file, and in which line."""
    hint = "; a text stands in quotes" if str(error).startswith("Invalid value") else ""
    return f"{error}{hint}"


def not_json(error: SettingsError, environment: Iterable[str], prefix: str) -> str:
    """Which variable holds several values, and is not the JSON that they are given by.

    Args:
        error: what pydantic-settings says, with the field in quotes.
        environment: variables that are settings.
        prefix: what these begin with.
    """
    field = str(error).split('"')[1]
    wanted = (prefix + field).upper()
    names = [name for name in environment if f"{name.upper()}__".startswith(f"{wanted}__")]
    return (
        f"setting {field!r} ({', '.join(names)}): not JSON: {error.__cause__}; "
        """a list is written ["one", "two"], a table {"name": "value"}"""
    )


def _source(
    parts: list[str], given: Mapping[str, Any], environment: Mapping[str, str], prefix: str, file: str
) -> str:
    if _holds(given, parts):
        return " ".join([f"--{parts[0].replace('_', '-')}", *([".".join(parts[1:])] if parts[1:] else [])])
    variable = prefix + "__".join(parts).upper()
    setter = next((name for name in environment if f"{variable}__".startswith(f"{name.upper()}__")), file)
    return f"setting {'.'.join(parts)!r} ({setter})"


def _holds(given: Any, parts: list[str]) -> bool:
    """Whether the value at this place comes from here; a value that is no mapping is one place."""
    for part in parts:
        if not isinstance(given, Mapping):
            return True
        if part not in given:
            return False
        given = given[part]
    return True
