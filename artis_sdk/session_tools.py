"""The tools of a session: those that were passed or named, and those that its agent brings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from types import ModuleType
from typing import Any, cast

from artis_sdk.backends.registry import known_prefixes
from artis_sdk.contracts import BringsTools
from artis_sdk.entry_points import find
from artis_sdk.errors import ConfigurationError
from artis_sdk.records.fitting import fits
from artis_sdk.session_args import SessionArgs
from artis_sdk.settings import Settings, load_object
from artis_sdk.tools import Toolset


def is_backend(name: str) -> bool:
    """Whether this names a backend; else it is the `module:name` of an object."""
    return name.partition(":")[0] in known_prefixes()


def load_part(setting: str, where: str) -> Any:
    """The object at `module:name` that a setting names.

    Raises:
        ConfigurationError: there is none; the message also names the prefixes of backends.
    """
    return load_object(where, setting, hint=f"; prefixes of backends: {', '.join(known_prefixes())}")


async def with_agents_tools(given: SessionArgs, settings: Settings) -> SessionArgs:
    """The options, with the agent that they or the settings name, and with the tools that it brings beside
    those that were passed.

    Raises:
        ConfigurationError: there is no such agent.
    """
    agent = given.agent or settings.agent
    if isinstance(agent, str) and not is_backend(agent):
        given = replace(given, agent=load_agent(agent))
    if not fits(given.agent, BringsTools):
        return given
    brought = Toolset(*cast(Iterable[Any], await given.agent.session_tools()))
    passed = Toolset() if given.tools is None else make_tools(given.tools, settings)
    return replace(given, tools=brought + passed)


def load_agent(where: str) -> Any:
    """The agent at `module:name`; or at `INTEGRATION:module:name`, as the registered integration makes it.

    Raises:
        ConfigurationError: there is none.
    """
    first, _, rest = where.partition(":")
    integration = find("integration", first) if ":" in rest else None
    if integration is not None:
        return integration(load_object(rest, "agent"))
    return load_part("agent", where)


def make_tools(given: Toolset | Iterable[Any] | None, settings: Settings) -> Toolset:
    """The session's tools.

    Raises:
        ConfigurationError: the tools are missing, or the settings name something else.
    """
    if given is None:
        if settings.tools is None:
            raise ConfigurationError(
                "the session has no tools: pass tools=Toolset(...); or name them as module:name by --tools, "
                "ARTIS_TOOLS, or tools in artis.toml, which artis init writes"
            )
        given = load_object(settings.tools)
    if isinstance(given, Toolset):
        return given
    if isinstance(given, ModuleType):
        return Toolset.from_module(given)
    if callable(given):
        return Toolset(given)
    if isinstance(given, Iterable):
        return Toolset(*given)
    raise ConfigurationError(f"tools must be a Toolset, functions, or a module, not {type(given).__name__}")
