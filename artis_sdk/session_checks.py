"""Whether what a session is given is of the kind that it takes, before anything runs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, get_args

from artis_sdk.commit.approver import EditPlan
from artis_sdk.commit.before import OnUnknown
from artis_sdk.contracts import Backend, Evaluator, LogStore, Summarizer
from artis_sdk.errors import ConfigurationError
from artis_sdk.logs import Redactor
from artis_sdk.loop.limits import Limits, Price
from artis_sdk.loop.model_actor import ToolFormat
from artis_sdk.loop.strategies import Strategy, known_names
from artis_sdk.prompts import Prompts
from artis_sdk.records import Message, Plan, Step
from artis_sdk.records.fitting import fits
from artis_sdk.session_args import SessionArgs
from artis_sdk.simulators.trust import OnDoubt, Trust
from artis_sdk.traces import Traces


class _Kind(NamedTuple):
    """What an option takes."""

    fits: Callable[[Any], bool]
    wanted: str


def _instance(*kinds: type) -> Callable[[Any], bool]:
    return lambda given: isinstance(given, kinds)


def _each(kind: type) -> Callable[[Any], bool]:
    return lambda given: isinstance(given, list | tuple) and all(isinstance(one, kind) for one in given)


def _positive(given: Any) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool) and given > 0


def _without_arguments(given: Any) -> bool:
    if not callable(given):
        return True
    try:
        inspect.signature(given).bind()
    except TypeError:
        return False
    except ValueError:  # a builtin that does not tell
        return True
    return True


def _one_of(names: Any) -> _Kind:
    return _Kind(lambda given: given in get_args(names), "one of " + ", ".join(get_args(names)))


_SWITCH = _Kind(_instance(bool), "True or False")
_TREATMENTS = _Kind(_instance(str, Mapping), "ask, stop or allow, or a mapping from risk to one of these")
_KINDS = {
    "strategy": _Kind(
        lambda given: fits(given, Strategy),
        "an object such as Sequential(5), Parallel(3), Hybrid(width=3, rounds=2) or Direct()",
    ),
    "limits": _Kind(_instance(Limits), "a Limits, such as Limits(tokens=200_000)"),
    "prices": _Kind(
        lambda given: isinstance(given, Mapping) and all(isinstance(one, Price) for one in given.values()),
        "a mapping from a backend's name to its Price",
    ),
    "sampling": _Kind(_instance(Mapping), "a mapping from a role to its Sampling"),
    "trust": _Kind(_instance(Trust, str, Path), "a Trust, or the path of its file"),
    "state": _Kind(_without_arguments, "a JSON value, or a function without arguments that returns one"),
    "tools": _Kind(
        lambda given: not isinstance(given, str),
        "a Toolset, functions or a module; module:name is for settings, ARTIS_TOOLS or tools in artis.toml",
    ),
    "history": _Kind(_each(Step), "a tuple of Step"),
    "conversation": _Kind(_each(Message), "a tuple of Message, such as Message(role='user', content=TEXT)"),
    "log": _Kind(
        lambda given: isinstance(given, str | Path) or fits(given, LogStore), "a path, a URL or a LogStore"
    ),
    "on_unforeseen": _TREATMENTS,
    "on_divergence": _TREATMENTS,
    "approve": _Kind(callable, "a function, async def approve(request) -> answer"),
    "approve_timeout": _Kind(_positive, "a number of seconds above 0"),
    "evaluator": _Kind(
        lambda given: isinstance(given, str) or fits(given, Backend) or fits(given, Evaluator),
        "a backend, its name, or an Evaluator",
    ),
    "summarizer": _Kind(
        lambda given: isinstance(given, str) or fits(given, Backend) or fits(given, Summarizer),
        "a backend, its name, or a Summarizer",
    ),
    "prompts": _Kind(
        _instance(Prompts, Mapping, str, Path), "a Prompts, a mapping of templates, or their folder"
    ),
    "evaluate": _SWITCH,
    "summarize": _SWITCH,
    "max_steps": _Kind(lambda given: isinstance(given, int) and _positive(given), "a whole number above 0"),
    "seed": _Kind(_instance(int), "a whole number"),
    "redact": _Kind(_instance(Redactor), "a Redactor"),
    "on_event": _Kind(callable, "a function of one event"),
    "on_text": _Kind(callable, "a function of one TextPiece"),
    "traces": _Kind(_instance(Traces), "a Traces; the setting traces takes off, on or content"),
    "on_doubt": _one_of(OnDoubt),
    "on_unknown": _one_of(OnUnknown),
    "tool_format": _one_of(ToolFormat),
}
"""By option; those that are missing here are checked where they are used."""
_OBJECTS = {"agent", "simulator", "strategy", "log", "journal", "approve", "evaluator", "summarizer"}
"""Options that take an object whose class has the same methods, and would be called without it."""
_NAMES = {"strategy", "on_doubt", "on_unknown", "tool_format", "traces", "evaluate", "summarize"}
_INSTEAD = {
    "on_event": "read `async for event in session.events()` in a task beside the run",
    "on_text": "pass on_text=queue.put_nowait, and `await queue.get()` in a task beside the run",
}


def check_options(given: SessionArgs) -> None:
    """Refuse an option of another kind than `SessionArgs` says.

    Raises:
        ConfigurationError: names the option, what was given, and what it takes.
    """
    for name in (field.name for field in fields(given)):
        value = getattr(given, name)
        if value is None and name not in ("history", "conversation"):
            continue
        if name in _OBJECTS and isinstance(value, type):
            raise ConfigurationError(
                f"{name}={value.__name__} is a class: pass an object of it, {name}={value.__name__}(...)"
            )
        kind = _KINDS.get(name)
        if kind is not None and not kind.fits(value):
            raise ConfigurationError(f"{name} must be {kind.wanted}, not {_shown(name, value)}")
        if name in _INSTEAD and _is_async(value):
            raise _never_runs(name)


def tell(name: str, listener: Callable[[Any], Any], given: object) -> None:
    """Call a listener.

    Args:
        name: `on_event` or `on_text`.
        listener: what the session was given as such.
        given: the event or the text.

    Raises:
        ConfigurationError: it returned a coroutine, as `lambda event: socket.send(event)` does.
    """
    returned = listener(given)
    if returned is not None and inspect.iscoroutine(returned):
        returned.close()
        raise _never_runs(name)


def _never_runs(name: str) -> ConfigurationError:
    return ConfigurationError(
        f"{name} is called and not awaited, so that an async function would never run: {_INSTEAD[name]}"
    )


def check_task(given: object) -> None:
    """Refuse a task that is no text, or an empty one.

    Raises:
        ConfigurationError: says what a task is.
    """
    if not isinstance(given, str):
        raise ConfigurationError(
            f"the task must be a str, not {type(given).__name__}: say in words what the agent is to do"
        )
    if not given.strip():
        raise ConfigurationError("the task is empty: say in words what the agent is to do")


def check_plan(given: object) -> None:
    """Refuse what is no plan, such as the file or the text of a saved one.

    Raises:
        ConfigurationError: says how a saved plan is read.
    """
    if not isinstance(given, Plan):
        raise ConfigurationError(
            f"the plan must be a Plan, not {type(given).__name__}: read a saved one with "
            "Plan.model_validate_json(Path(FILE).read_text()), or commit its file with artis run --plan FILE"
        )


def check_edit(given: object) -> None:
    """Refuse what is no edit, or one that names nobody.

    Raises:
        ConfigurationError: says what an edit is.
    """
    if not isinstance(given, EditPlan):
        raise ConfigurationError(f"the edit must be an EditPlan, not {type(given).__name__}")
    if not given.by.strip():
        raise ConfigurationError("an edit takes the name of who makes it (by)")


def _shown(name: str, value: Any) -> str:
    """A value for an error: a name or a number, else its type: other texts may be secret."""
    if name == "strategy" and isinstance(value, str) and value in known_names():
        return (
            f"{value!r}, which is a name for settings: strategy = {value!r} in artis.toml, "
            f"ARTIS_STRATEGY={value} or --strategy {value}, and attempts beside it"
        )
    if isinstance(value, bool | int | float) or (isinstance(value, str) and name in _NAMES):
        return repr(value)
    if isinstance(value, type):
        return f"the class {value.__name__}"
    inside = value.values() if isinstance(value, Mapping) else value
    if not isinstance(value, list | tuple | Mapping) or not inside:
        return type(value).__name__
    return f"a {type(value).__name__} of {', '.join(sorted({type(one).__name__ for one in inside}))}"


def _is_async(function: Any) -> bool:
    while isinstance(function, partial):
        function = function.func
    return any(
        check(one)
        for check in (inspect.iscoroutinefunction, inspect.isasyncgenfunction)
        for one in (function, getattr(function, "__call__", None))  # noqa: B004 - an async __call__
    )
