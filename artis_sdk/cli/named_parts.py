"""The parts that the settings name, loaded as a session loads them: tools, agent, simulator, judges."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from artis_sdk.errors import ArtisError
from artis_sdk.loop.callable_actor import CallableActor
from artis_sdk.loop.sampling import RoleSampling
from artis_sdk.prompts import Prompts
from artis_sdk.session_backends import Backends
from artis_sdk.session_simulator import is_model, make_simulator
from artis_sdk.session_tools import is_backend, load_agent, load_part, make_tools
from artis_sdk.settings import Settings
from artis_sdk.tools import Toolset


def named_backends(settings: Settings) -> list[str]:
    """The backends that the settings name, also one behind a `checked,` simulator."""
    simulator = settings.simulator
    below = simulator.rpartition(",")[2].strip() if simulator is not None and is_model(simulator) else None
    names = (settings.agent, below, settings.evaluator, settings.summarizer)
    return [name for name in names if name is not None and is_backend(name)]


async def load_named(settings: Settings) -> list[dict[str, Any]]:
    """Load every part that is named and is no backend: setting, name, whether it loads, why not."""
    found = []
    async with AsyncExitStack() as stack:
        for setting, name, load in _named(settings, stack):
            problem = None
            try:
                load()
            except (ArtisError, ImportError) as error:
                problem = str(error)
            found.append({"setting": setting, "name": name, "ok": problem is None, "error": problem})
    return found


def _named(settings: Settings, stack: AsyncExitStack) -> list[tuple[str, str, Callable[[], object]]]:
    parts: list[tuple[str, str, Callable[[], object]]] = []
    if settings.tools is not None:
        parts.append(("tools", settings.tools, partial(make_tools, None, settings)))
    if settings.agent is not None and not is_backend(settings.agent):
        parts.append(("agent", settings.agent, partial(_agent, settings.agent)))
    if settings.simulator is not None and not is_backend(settings.simulator):
        parts.append(("simulator", settings.simulator, partial(_simulator, settings, stack)))
    for setting in ("evaluator", "summarizer"):
        name: str | None = getattr(settings, setting)
        if name is not None and not is_backend(name):
            parts.append((setting, name, partial(load_part, setting, name)))
    return parts


def _agent(name: str) -> CallableActor:
    return CallableActor(load_agent(name), Toolset())


def _simulator(settings: Settings, stack: AsyncExitStack) -> object:
    backends = Backends(stack, settings.backends)
    return make_simulator(None, settings, backends, Prompts(), stack, RoleSampling(None, settings.sampling))
