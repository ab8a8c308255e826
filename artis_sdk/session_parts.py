"""Making the parts that do the work from a session's options and settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from artis_sdk.backends import resolve
from artis_sdk.commit.before import OnUnknown
from artis_sdk.commit.journal import CommitJournal, SQLiteJournal
from artis_sdk.contracts import Backend, Evaluator, LogStore, Simulator, Summarizer
from artis_sdk.errors import ConfigurationError, SimulationError
from artis_sdk.logs import CallLog, Redactor
from artis_sdk.logs.capture import capture
from artis_sdk.logs.session_secrets import SessionSecrets
from artis_sdk.loop.actor import Actor
from artis_sdk.loop.budget import Budget, Emit
from artis_sdk.loop.callable_actor import CallableActor
from artis_sdk.loop.evaluate import ModelEvaluator
from artis_sdk.loop.limits import Limits, Price
from artis_sdk.loop.model_actor import ModelActor
from artis_sdk.loop.rehearsal import committing_actor
from artis_sdk.loop.scoring import ModelScorer, Scorer
from artis_sdk.loop.strategies import NAMED, Direct, StepStrategy, Strategy
from artis_sdk.loop.summarize import ModelSummarizer
from artis_sdk.loop.whose_code import runs_application_code
from artis_sdk.prompts import Prompts
from artis_sdk.records import History, Outcome, Role, State, ToolCall, Usage
from artis_sdk.session_args import SessionArgs
from artis_sdk.settings import Settings, load_object
from artis_sdk.simulators import (
    Ladder,
    LLMSimulator,
    ReplaySimulator,
    RetrievalSimulator,
    SandboxSimulator,
)
from artis_sdk.simulators.trust import Trust, gated
from artis_sdk.simulators.veil import veiled
from artis_sdk.tools import Toolset
from artis_sdk.tools.in_place import guarded_in_place

FROM_LOG: dict[str, Callable[[CallLog], Simulator]] = {
    "replay": ReplaySimulator,
    "retrieval": RetrievalSimulator,
}
"""Simulators over a call log, by the prefix of their name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionParts:
    """The parts of a Session."""

    tools: Toolset
    actor: Actor
    committer: Actor
    """The actor that commits; a step-level strategy selects each of its turns."""
    simulator: Simulator
    strategy: Strategy
    evaluator: Evaluator | None
    summarizer: Summarizer | None
    prompts: Prompts
    journal: CommitJournal
    on_unknown: OnUnknown
    log: LogStore | None
    secrets: SessionSecrets
    limits: Limits
    prices: Mapping[str, Price]
    application_code: bool
    """Whether any part runs application code, see `artis_sdk.loop.whose_code`."""

    def budget(self, emit: Emit, spent: Mapping[Role, Usage] | None = None) -> Budget:
        """The budget of one run.

        Args:
            spent: usage of its rehearsal in another session, by role.
        """
        return Budget(self.limits, prices=self.prices, emit=emit, spent=spent)


class NoSimulator(Simulator):
    """Placeholder for the simulator under a strategy that does not simulate."""

    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        """Refuse: this session cannot predict."""
        raise SimulationError(call.tool, "this session has no simulator")


def assemble(given: SessionArgs, settings: Settings, stack: AsyncExitStack) -> SessionParts:
    """Make the parts; the stack closes those opened here.

    Raises:
        ConfigurationError: an option is missing or does not fit; the message says what to pass or set.
    """
    prompts = given.prompts if isinstance(given.prompts, Prompts) else Prompts(given.prompts)
    backends = Backends(stack, settings.backends)
    tools = make_tools(given.tools, settings)
    secrets = SessionSecrets(given.redact or Redactor(), key=settings.plan_key)
    secrets.redactor.know(*tools.specs)
    strategy = given.strategy or make_strategy(settings)
    agent, model = make_actor(given, settings, tools, backends, prompts)
    simulator = make_simulator(given.simulator, settings, backends, prompts, stack)
    simulates = not isinstance(strategy, Direct | StepStrategy)
    if simulates and simulator is None:
        raise ConfigurationError(
            f"strategy {strategy.name!r} needs a simulator: pass simulator=SandboxSimulator(), "
            "LLMSimulator(backend), ReplaySimulator(log) or a backend's name, or set ARTIS_SIMULATOR; "
            "or rehearse nothing with strategy=Direct()"
        )
    judge = _backend_for("evaluator", given.evaluator or settings.evaluator, model, backends)
    advisor = _backend_for("summarizer", given.summarizer or settings.summarizer, model, backends)
    judges = given.evaluate and simulates
    advises = given.summarize and simulates
    scorer = _scorer(strategy, judge, prompts)
    budget_prices = {**settings.prices, **(given.prices or {})}
    limits = given.limits or settings.limits
    own_stores = [store for store in (given.log, given.journal) if not isinstance(store, str | Path)]
    parts = SessionParts(
        tools=tools,
        actor=agent,
        committer=committing_actor(strategy, agent, scorer) if scorer is not None else agent,
        simulator=NoSimulator()
        if simulator is None or not simulates
        else _trusted(veiled(simulator, secrets), given, settings),
        strategy=strategy,
        evaluator=_evaluator(judge, prompts) if judges else None,
        summarizer=_summarizer(advisor, prompts) if advises else None,
        prompts=prompts,
        journal=_journal(settings.journal if given.journal is None else given.journal, stack),
        on_unknown=given.on_unknown or settings.on_unknown,
        log=_log(settings.log if given.log is None else given.log, tools, given.redact, stack),
        secrets=secrets,
        limits=limits,
        prices=budget_prices,
        application_code=runs_application_code(
            simulator or NoSimulator(),
            (model or given.agent, judge, advisor, strategy, prompts, given.redact, *own_stores),
        ),
    )
    if parts.application_code:
        stack.enter_context(guarded_in_place(tools))
    used = (model, judge, advisor, getattr(simulator, "backend", None))
    Budget(limits, prices=budget_prices).require_prices(*{b for b in used if isinstance(b, Backend)})
    return parts


def make_actor(
    given: SessionArgs, settings: Settings, tools: Toolset, backends: Backends, prompts: Prompts
) -> tuple[Actor, Backend | None]:
    """The agent, and its model; None for an agent of the application's.

    Raises:
        ConfigurationError: the agent is missing, or neither a backend nor an async callable.
    """
    agent = given.agent or settings.agent
    if agent is None:
        raise ConfigurationError(
            'the session has no agent: pass agent="openai:MODEL", a Backend or an async function of your '
            "own, or set ARTIS_AGENT"
        )
    if not isinstance(agent, str | Backend):
        return CallableActor(agent, tools, prompts=prompts), None
    model = backends.get(agent)
    actor = ModelActor(
        model,
        tools,
        prompts=prompts,
        tool_format=given.tool_format or settings.tool_format,
        max_steps=given.max_steps or settings.max_steps,
        seed=given.seed,
    )
    return actor, model


class Backends:
    """Backends by name for one session: made once, closed with it. Backends passed in stay open."""

    def __init__(self, stack: AsyncExitStack, options: Mapping[str, Mapping[str, Any]]) -> None:
        self._stack = stack
        self._options = options
        self._made: dict[str, Backend] = {}

    def get(self, given: str | Backend) -> Backend:
        """The backend of this name; a backend is returned unchanged.

        Raises:
            ConfigurationError: see `resolve`.
        """
        if not isinstance(given, str):
            return given
        if given not in self._made:
            backend = resolve(given, **self._options.get(given, {}))
            self._stack.push_async_callback(backend.aclose)
            self._made[given] = backend
        return self._made[given]


def make_tools(given: Toolset | Iterable[Any] | None, settings: Settings) -> Toolset:
    """The session's tools.

    Raises:
        ConfigurationError: the tools are missing, or the settings name something else.
    """
    if given is None:
        if settings.tools is None:
            raise ConfigurationError(
                "the session has no tools: pass tools=Toolset(...), or set ARTIS_TOOLS=module:name"
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


def make_strategy(settings: Settings) -> Strategy:
    """The strategy named in the settings, with their number of attempts."""
    return NAMED[settings.strategy](settings.attempts)


def make_simulator(
    given: Simulator | Backend | str | None,
    settings: Settings,
    backends: Backends,
    prompts: Prompts,
    stack: AsyncExitStack,
) -> Simulator | None:
    """The session's simulator; None if neither option nor setting names one.

    Args:
        given: a simulator; or a backend or its name, for an `LLMSimulator`; `sandbox`;
            `replay:FILE` or `retrieval:FILE` for a call log.
    """
    given = given if given is not None else settings.simulator
    if given is None:
        return None
    if isinstance(given, str):
        if given == "sandbox":
            return SandboxSimulator()
        kind, _, rest = given.partition(":")
        if kind in FROM_LOG:
            path = Path(rest)
            if not path.exists():
                raise ConfigurationError(f"simulator {given!r}: there is no file {path}")
            log = CallLog(path)
            stack.callback(log.close)
            return FROM_LOG[kind](log)
        return LLMSimulator(backends.get(given), prompts=prompts)
    if isinstance(given, Backend) and not isinstance(given, Simulator):
        return LLMSimulator(given, prompts=prompts)
    if isinstance(given, Simulator):
        return _resolved(given, backends, prompts)
    raise ConfigurationError(
        f"simulator must be a Simulator, a backend or a name, not {type(given).__name__}; "
        "it needs `async def predict(call, state, history) -> Outcome`"
    )


def _trusted(simulator: Simulator, given: SessionArgs, settings: Settings) -> Simulator:
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
    if isinstance(simulator, Ladder):
        return Ladder([_resolved(rung, backends, prompts) for rung in simulator.rungs])
    if isinstance(simulator, LLMSimulator):
        simulator = copy(simulator)
        simulator.backend = backends.get(simulator.backend)
        simulator.prompts = simulator.prompts or prompts
    return simulator


def _backend_for(role: str, given: Any, model: Backend | None, backends: Backends) -> Any:
    """The part in a role: the option, or the backend of that name; by default the agent's model."""
    if given is None:
        return model
    return backends.get(given) if isinstance(given, str) else given


def _evaluator(judge: Any, prompts: Prompts) -> Evaluator:
    if judge is None:
        raise ConfigurationError(
            "an agent of your own cannot judge itself: pass evaluator= (a backend or an Evaluator), or "
            "evaluate=False"
        )
    return ModelEvaluator(judge, prompts=prompts) if isinstance(judge, Backend) else cast(Evaluator, judge)


def _summarizer(advisor: Any, prompts: Prompts) -> Summarizer:
    if advisor is None:
        raise ConfigurationError(
            "an agent of your own cannot summarize: pass summarizer= (a backend or a Summarizer), or "
            "summarize=False"
        )
    if isinstance(advisor, Backend):
        return ModelSummarizer(advisor, prompts=prompts)
    return cast(Summarizer, advisor)


def _scorer(strategy: Strategy, judge: Any, prompts: Prompts) -> Scorer | None:
    """Scorer of the candidates of a step-level strategy; None for any other strategy."""
    if not isinstance(strategy, StepStrategy):
        return None
    if not isinstance(judge, Backend):
        raise ConfigurationError(f"strategy {strategy.name!r} scores by a model: pass evaluator=BACKEND")
    return ModelScorer(judge, prompts=prompts)


def _journal(given: CommitJournal | str | Path, stack: AsyncExitStack) -> CommitJournal:
    """The session's journal; the stack closes one opened here.

    Raises:
        ConfigurationError: `given` is neither a path nor a journal.
    """
    if isinstance(given, str | Path):
        journal = SQLiteJournal.shared(given)
        stack.push_async_callback(journal.aclose)
        return journal
    if not isinstance(given, CommitJournal):
        raise ConfigurationError(
            f"journal must be a path or a CommitJournal, not {type(given).__name__}; "
            "artis_sdk.commit.journal.CommitJournal lists the methods"
        )
    return given


def _log(
    given: LogStore | str | Path | None, tools: Toolset, redact: Redactor | None, stack: AsyncExitStack
) -> LogStore | None:
    """The call log; one opened by the session also records calls made outside its commits.

    Sessions of one file without a redactor of their own share the log.
    """
    if not isinstance(given, str | Path):
        return given
    captured = capture(given, redact=redact)
    stack.push_async_callback(captured.aclose)
    captured.log.redactor.know(*tools.specs)
    return captured.log


def open_journal(settings: Settings, stack: AsyncExitStack) -> CommitJournal:
    """The journal of these settings, which must exist.

    Raises:
        ConfigurationError: the file does not exist, so no call is known.
    """
    if not settings.journal.exists():
        raise ConfigurationError(
            f"there is no journal {settings.journal.absolute()}: name the one that the commit wrote, by "
            "--journal, ARTIS_JOURNAL or artis.toml"
        )
    return _journal(settings.journal, stack)
