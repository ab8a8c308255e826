"""A person's answers to doubtful rules, written into `artis.toml`."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

from artis_sdk.errors import ConfigurationError
from artis_sdk.logs.jsonl import replacing
from artis_sdk.records.doubtful_rules import RULES
from artis_sdk.settings import FILE

Answer = tuple[str, str, bool]
"""Tool, rule, and whether it is a failure."""


def answers(failures: Iterable[str], successes: Iterable[str]) -> list[Answer]:
    """The answers in options `TOOL:RULE`.

    Raises:
        ConfigurationError: an option is not `TOOL:RULE`, or no rule has this name.
    """
    given = [(text, True) for text in failures] + [(text, False) for text in successes]
    found: list[Answer] = []
    for text, failure in given:
        tool, colon, rule = text.rpartition(":")
        if not colon or not tool or rule not in RULES:
            raise ConfigurationError(f"{text!r} is not TOOL:RULE; the rules are {', '.join(RULES)}")
        found.append((tool, rule, failure))
    return found


def write_answers(given: Iterable[Answer], path: Path | None = None) -> Path:
    """Write answers into the settings file, which is made if it is missing; its other lines stay.

    Raises:
        ConfigurationError: the file is no TOML, or holds `failure_rules` in a form that cannot be added to.
    """
    path = path or Path(FILE)
    text = path.read_text() if path.exists() else ""
    for tool, rule, failure in given:
        text = _with(text, tool, f"{rule} = {json.dumps(failure)}", rule)
        try:
            said = tomllib.loads(text)["failure_rules"][tool][rule]
        except (tomllib.TOMLDecodeError, KeyError, TypeError):
            said = None
        if said is not failure:
            raise ConfigurationError(
                f"{path}: cannot add {rule} of {tool}; write [failure_rules.{_key(tool)}] by hand, with"
                f" {rule} = {json.dumps(failure)}"
            )
    with replacing(path) as file:
        file.write(text.encode())
    return path


def _key(tool: str) -> str:
    return tool if re.fullmatch(r"[\w-]+", tool, re.ASCII) else json.dumps(tool)


def _with(text: str, tool: str, line: str, rule: str) -> str:
    """The text with a line in the tool's table, in the place of an earlier one for the rule."""
    lines = text.splitlines()
    header = f"[failure_rules.{_key(tool)}]"
    if header not in lines:
        return "\n".join([*lines, *([""] if lines else []), header, line]) + "\n"
    start = lines.index(header) + 1
    end = next((n for n in range(start, len(lines)) if lines[n].startswith("[")), len(lines))
    kept = [kept for kept in lines[start:end] if not re.match(rf"{rule}\s*=", kept)]
    return "\n".join([*lines[:start], line, *kept, *lines[end:]]) + "\n"
