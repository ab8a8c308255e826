"""Making a session's simulator from its option or its name."""

from __future__ import annotations

from contextlib import AsyncExitStack
from copy import copy
from pathlib import Path

from artis_sdk.backends.registry import known_prefixes
from artis_sdk.contracts import Backend, Simulator
from artis_sdk.errors import ConfigurationError
from artis_sdk.logs import open_call_log
from artis_sdk.loop.sampling import RoleSampling
from artis_sdk.prompts import Prompts
from artis_sdk.session_args import SessionArgs
from artis_sdk.session_backends import Backends
from artis_sdk.settings import Settings, load_object
from artis_sdk.simulators import FROM_LOG, Checked, Ladder, LLMSimulator, PromptForm, SandboxSimulator
from artis_sdk.simulators.composite import Composite
from artis_sdk.simulators.form import named_form
from artis_sdk.simulators.named import is_registered, registered_simulator
from artis_sdk.simulators.trust import Trust, gated
from artis_sdk.store_address import log_address


def make_simulator(
    given: Simulator | Backend | str | None,
    settings: Settings,
    backends: Backends,
    prompts: Prompts,
    stack: AsyncExitStack,
    sampling: RoleSampling,
) -> Simulator | None:
    """The session's simulator; None if neither option nor setting names one.

    Args:
        given: a simulator; or a backend or its name, for an `LLMSimulator`; `sandbox`;
            `replay:FILE`, or another key of `FROM_LOG`, for a call log; `checked`, alone or in front of
            another name; or the name of a registered one.
    """
    given = given if given is not None else settings.simulator
    if not is_model(given):
        sampling.refuse("simulator", "the simulator is an object of yours, or no model")
    if given is None:
        return None
    if isinstance(given, str):
        if given == "sandbox":
            return SandboxSimulator(pure=settings.pure)
        first, _, below = given.partition(",")
        kind, _, rest = first.partition(":")
        if kind == "checked":
            rung = Checked(restore=load_object(rest) if rest else None)
            if not below:
                return rung
            lower = make_simulator(below.strip(), settings, backends, prompts, stack, sampling)
            return Ladder([rung, *([] if lower is None else [lower])])
        kind, _, rest = given.partition(":")
        if kind in FROM_LOG:
            where = log_address(rest)
            if isinstance(where, Path) and not where.exists():
                raise ConfigurationError(f"simulator {given!r}: there is no file {where}")
            log = open_call_log(where, create=False)
            stack.callback(log.close)
            return FROM_LOG[kind](log)
        if is_registered(given):
            return _resolved(registered_simulator(given), backends, prompts)
        if kind not in known_prefixes():
            names = ", ".join(["sandbox", "checked", *(f"{name}:FILE" for name in FROM_LOG)])
            raise ConfigurationError(
                f"simulator {given!r} is none of {names}, and no backend's: their prefixes are "
                f"{', '.join(known_prefixes())}"
            )
        return LLMSimulator(
            backends.get(given), prompts=prompts, form=_form(settings), **sampling.of("simulator")
        )
    if isinstance(given, Backend) and not isinstance(given, Simulator):
        return LLMSimulator(given, prompts=prompts, form=_form(settings), **sampling.of("simulator"))
    if isinstance(given, Simulator):
        return _resolved(given, backends, prompts)
    raise ConfigurationError(
        f"simulator must be a Simulator, a backend or a name, not {type(given).__name__}; "
        "it needs `async def predict(call, state, history) -> Outcome`"
    )


def is_model(simulator: Simulator | Backend | str | None) -> bool:
    """Whether the option is a backend or its name, for an `LLMSimulator`."""
    if simulator is None:
        return False
    if isinstance(simulator, str):
        name = simulator.rpartition(",")[2].strip()
        ours = name == "sandbox" or name.partition(":")[0] in (*FROM_LOG, "checked")
        return not ours and not is_registered(name)
    return isinstance(simulator, Backend) and not isinstance(simulator, Simulator)


def _form(settings: Settings) -> PromptForm | None:
    return None if settings.simulator_form is None else named_form(settings.simulator_form)


def trusted(simulator: Simulator, given: SessionArgs, settings: Settings) -> Simulator:
    """The simulator, behind the gate if a trust file is set.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    trust = given.trust if given.trust is not None else settings.trust
    if trust is None:
        return simulator
    trust = trust if isinstance(trust, Trust) else Trust.read(trust)
    return gated(simulator, trust, given.on_doubt or settings.on_doubt)


def _resolved(simulator: Simulator, backends: Backends, prompts: Prompts) -> Simulator:
    """The same simulator with its named models resolved, and the session's templates."""
    if isinstance(simulator, Composite):
        return simulator.with_parts(lambda part: _resolved(part, backends, prompts))
    if isinstance(simulator, LLMSimulator):
        simulator = copy(simulator)
        simulator.backend = backends.get(simulator.backend)
        simulator.prompts = simulator.prompts or prompts
    return simulator
