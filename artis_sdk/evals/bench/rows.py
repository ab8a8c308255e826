"""A benchmark's results: one line of JSON for each task in each cell, and the settings beside them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from artis_sdk.errors import ConfigurationError
from artis_sdk.evals.bench.cells import BenchCell
from artis_sdk.records import Role, Usage
from artis_sdk.records.calls import FROZEN

Row = TypeVar("Row", bound=BaseModel)


class TaskRow(BaseModel):
    """One task in one cell."""

    model_config = FROZEN

    cell: BenchCell
    task: str
    family: str
    hidden: bool
    """Whether the obvious plan is refused."""
    fulfilled: bool
    usage: dict[Role, Usage]
    calls: int
    """Number of real calls."""
    diverged: int
    """Number of real calls with another outcome than rehearsed."""
    seconds: float
    unforeseen: int = 0
    """Number of real calls that may have changed something and that the plan does not foresee."""
    stopped: int = 0
    """Number of commits that were stopped."""
    commit_tokens: int = 0
    """Tokens of the commits alone, all roles."""
    commit_seconds: float = 0.0
    """Seconds of the commits alone."""
    kind: str = ""
    """How hard the task is, see `BenchmarkTask.kind`."""
    refused: int = 0
    """Number of real calls that failed."""
    damaged: bool = False
    """Whether the task was left half done beyond repair, see `KnowsDamage`."""
    score: float | None = None
    """Share of the task that was done, 0 to 1, see `KnowsScore`."""
    judged: int = 0
    """Number of judged attempts."""
    passed: int = 0
    """Number of attempts judged right."""
    query: str = ""
    """The task in words, its turns in lines."""
    made: tuple[str, ...] = ()
    """The real calls in words, each with its outcome."""
    answer: str | None = None
    """The agent's last answer."""
    problem: str | None = None
    """The first mistake that the world's check names."""
    error: str | None = None
    """Error that prevented the task, which counts as not fulfilled."""


def read(path: Path) -> Iterator[TaskRow]:
    """The rows of a results file; see `rows_of`."""
    return rows_of(path, TaskRow)


def rows_of(path: Path, kind: type[Row]) -> Iterator[Row]:
    """The rows of a file of JSON lines; none without a file. What an interruption cut off is left out.

    Raises:
        ConfigurationError: a line is whole, and no such row.
    """
    if not path.exists():
        return
    # Not splitlines: a text in a row may hold U+2028, or another end of a line that is none of a file.
    for number, line in enumerate(path.read_bytes().split(b"\n"), 1):
        try:
            from_json(line)
        except ValueError:
            continue
        try:
            yield kind.model_validate_json(line)
        except ValidationError as error:
            names = ", ".join(".".join(map(str, one["loc"])) for one in error.errors())
            raise ConfigurationError(
                f"{path}:{number} is no {kind.__name__} of this version ({names or 'no object'}): pass "
                "another --out, or remove the line"
            ) from error


def added_to(path: Path) -> TextIO:
    """A results file, open to add rows: a last line that was cut off is ended, so that it spoils no other."""
    file = path.open("a", encoding="utf-8")
    if file.tell() and not path.read_bytes().endswith(b"\n"):
        file.write("\n")
    return file


def write_settings(folder: Path, settings: dict[str, Any]) -> None:
    """Keep the settings of a run, so that only the same run is continued.

    Raises:
        ConfigurationError: the folder holds another run.
    """
    path = folder / "settings.json"
    if path.exists():
        there = json.loads(path.read_bytes())
        changed = [name for name in settings if there.get(name) != settings[name]]
        if changed:
            raise ConfigurationError(
                f"{folder} holds a run with another {', '.join(changed)}: pass another --out"
            )
        return
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
