"""What a test of an application needs: a scripted model, a session that only rehearses, a check of a plan."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from artis_sdk.backends import ScriptedBackend
from artis_sdk.backends.scripted import Script
from artis_sdk.errors import ConfigurationError
from artis_sdk.loop.strategies import Parallel
from artis_sdk.records import ForeseenCall, Plan
from artis_sdk.records.brief import count, step_line
from artis_sdk.session import Session

__all__ = ["Expected", "Rehearsing", "assert_plan"]

Expected = str | tuple[str, Mapping[str, JsonValue]] | tuple[str, Mapping[str, JsonValue], str]
"""A call that a plan is to foresee: its tool; with the arguments that matter, others being free; with its
predicted outcome type, `success` or a failure type."""


class Rehearsing:
    """The fixture `artis`.

    Args:
        folder: folder of the test's journals.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def backend(self, replies: Script, *, name: str = "scripted", **options: Any) -> ScriptedBackend:
        """A model that answers from a script; see `ScriptedBackend`."""
        return ScriptedBackend(replies, name=name, **options)

    def session(self, **options: Any) -> Session:
        """A session whose commits are refused.

        Args:
            **options: options of `Session`. By default one attempt, which nobody judges or summarizes, and a
                journal in the test's folder.
        """
        given = {
            "strategy": Parallel(1),
            "evaluate": False,
            "summarize": False,
            "journal": self._folder / "artis-journal.db",
        }
        return Session(**{**given, **options})

    def assert_plan(self, plan: Plan, *expected: Expected) -> None:
        """As `artis_sdk.testing.assert_plan`."""
        __tracebackhide__ = True
        assert_plan(plan, *expected)


def assert_plan(plan: Plan, *expected: Expected) -> None:
    """Check that a plan foresees these calls and no others, in this order.

    Args:
        plan: plan of a rehearsal.
        expected: the calls of the attempt that it follows.

    Raises:
        AssertionError: it foresees others; the message shows both.
        ConfigurationError: an expected call is no `Expected`.
    """
    __tracebackhide__ = True
    wanted = [_parts(one) for one in expected]
    found = plan.foreseen
    if len(found) == len(wanted) and all(map(_fits, wanted, found)):
        return
    lines = [f"the plan foresees {count(len(found), 'call')}, and not the {len(wanted)} expected"]
    lines += ["foreseen:", *(f"  {step_line(one.call, one.prediction)}" for one in found)]
    lines += ["expected:", *(f"  {_text(*one)}" for one in wanted)]
    lines += [f"note: {note}" for note in plan.notes]
    raise AssertionError("\n".join(lines))


_Parts = tuple[str, Mapping[str, JsonValue], str | None]


def _parts(expected: Expected) -> _Parts:
    if isinstance(expected, str):
        return expected, {}, None
    match expected:
        case (str(tool), Mapping() as arguments):
            return tool, arguments, None
        case (str(tool), Mapping() as arguments, str(outcome)):
            return tool, arguments, outcome
    raise ConfigurationError(
        f"an expected call is a tool's name, (name, arguments) or (name, arguments, outcome type), not "
        f"{expected!r}"
    )


def _fits(wanted: _Parts, found: ForeseenCall) -> bool:
    tool, arguments, outcome = wanted
    given = found.call.arguments
    return (
        found.call.tool == tool
        and all(name in given and given[name] == value for name, value in arguments.items())
        and (outcome is None or (found.prediction is not None and found.prediction.type == outcome))
    )


def _text(tool: str, arguments: Mapping[str, JsonValue], outcome: str | None) -> str:
    shown = [f"{name}={value!r}" for name, value in arguments.items()]
    return f"{tool}({', '.join([*shown, '...'])})" + ("" if outcome is None else f": {outcome}")
