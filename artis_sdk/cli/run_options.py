"""Options of `artis rehearse` and `artis run`, their settings, and a command that repeats them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from artis_sdk.errors import ConfigurationError
from artis_sdk.prompts import Style
from artis_sdk.records import CommitMode, Treatment
from artis_sdk.settings import Settings, load_settings
from artis_sdk.simulators import FROM_LOG

Agent = Annotated[
    str | None,
    typer.Option(
        help="Backend of the agent, such as openai:gpt-5-mini; package.module:agent; or, of another "
        "framework, pydantic_ai:package.module:agent."
    ),
]
Simulator = Annotated[
    str | None,
    typer.Option(
        help=f"sandbox, {', '.join(f'{name}:FILE' for name in FROM_LOG)}, a registered one, or a backend."
    ),
]
Strategy = Annotated[
    str | None,
    typer.Option(help="sequential, parallel, hybrid, direct, best_of_n, revision or a registered one."),
]
Attempts = Annotated[
    int | None,
    typer.Option(
        "--attempts", "-n", help="The paper's N; to rehearse nothing, run with --strategy direct.", min=1
    ),
]
OnUnknown = Annotated[
    Literal["refuse", "ask", "note"] | None,
    typer.Option(help="What to do about a call that stands in the journal without a known outcome."),
]
Mode = Annotated[
    CommitMode | None,
    typer.Option(help="How the plan is committed; bound if somebody approved it, else guided."),
]
OnUnforeseen = Annotated[
    Treatment | None,
    typer.Option(help="What to do about a call that may change something and is not foreseen."),
]
OnDivergence = Annotated[
    Treatment | None, typer.Option(help="What to do about an outcome that is not the predicted one.")
]
StyleOption = Annotated[
    Style | None, typer.Option("--style", help="Prompts and advice: ours, or the paper's.")
]
SamplingOption = Annotated[
    list[str] | None,
    typer.Option(
        "--sampling",
        help="ROLE.FIELD=NUMBER, such as agent.temperature=0.7: agent, simulator, judge or summarizer; "
        "temperature, top_p or max_tokens. Several times for several.",
    ),
]
Save = Annotated[Path | None, typer.Option(help="Write the plan here; `artis run --plan` takes it.")]


def settings_of(given: Mapping[str, Any]) -> Settings:
    """The settings, those given on the command line above the others.

    Args:
        given: options by the names of their settings; None for one that was left out.
    """
    values = {name: value for name, value in given.items() if value is not None}
    if "sampling" in values:
        values["sampling"] = _sampling(values["sampling"])
    return load_settings(values)


def command(*words: str, given: Mapping[str, Any]) -> str:
    """A command with the options that this one got, to be pasted into a shell.

    Args:
        words: the command without them.
        given: as in `settings_of`.
    """
    options: list[str] = []
    for name, value in given.items():
        for one in value if isinstance(value, list) else [value]:
            if one is not None:
                options += [f"--{name.replace('_', '-')}", str(one)]
    return shlex.join([*words, *options])


def _sampling(given: list[str]) -> dict[str, dict[str, str]]:
    """The values of `--sampling` by role and field; the settings check them."""
    by_role: dict[str, dict[str, str]] = {}
    for text in given:
        name, equals, number = text.partition("=")
        role, dot, field = name.partition(".")
        if not (equals and dot):
            raise ConfigurationError(f"--sampling takes ROLE.FIELD=NUMBER, not {text!r}")
        by_role.setdefault(role, {})[field] = number
    return by_role
