"""Making the parts that do the work from a session's options and settings."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from artis_sdk.commit.agreement import Agreement
from artis_sdk.commit.approval import as_checked, checked_plan
from artis_sdk.commit.approver import EditPlan
from artis_sdk.commit.edit import edited
from artis_sdk.commit.journal import CommitJournal
from artis_sdk.commit.options import CommitOptions
from artis_sdk.commit.plan import inside_attempt, journal_around
from artis_sdk.commit.replay import NoAgent
from artis_sdk.contracts import Backend, Evaluator, LogStore, Simulator, Summarizer
from artis_sdk.errors import ConfigurationError, SimulationError
from artis_sdk.logs import Redactor
from artis_sdk.logs.session_secrets import SessionSecrets
from artis_sdk.loop.actor import Actor
from artis_sdk.loop.budget import Budget, Emit
from artis_sdk.loop.callable_actor import CallableActor
from artis_sdk.loop.committing import committing_actor
from artis_sdk.loop.evaluate import ModelEvaluator
from artis_sdk.loop.limits import Limits, Price
from artis_sdk.loop.model_actor import ModelActor
from artis_sdk.loop.sampling import RoleSampling
from artis_sdk.loop.scoring import ModelScorer, Scorer
from artis_sdk.loop.strategies import Direct, StepStrategy, Strategy, named
from artis_sdk.loop.streamed import OnText
from artis_sdk.loop.summarize import ModelSummarizer
from artis_sdk.loop.whose_code import is_ours, runs_application_code
from artis_sdk.prompts import Prompts
from artis_sdk.records import History, Outcome, Plan, Role, SampledRole, State, ToolCall, Usage
from artis_sdk.records.fitting import fits
from artis_sdk.session_args import SessionArgs
from artis_sdk.session_backends import Backends
from artis_sdk.session_checks import tell
from artis_sdk.session_simulator import make_simulator, trusted
from artis_sdk.session_stores import make_journal, make_log
from artis_sdk.session_tools import is_backend, load_part, make_tools
from artis_sdk.settings import Settings
from artis_sdk.simulators.veil import veiled
from artis_sdk.tools import Toolset
from artis_sdk.tools.in_place import guarded_in_place
from artis_sdk.traces.spans import Traces, Tracing


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
    commits: CommitOptions
    log: LogStore | None
    secrets: SessionSecrets
    limits: Limits
    prices: Mapping[str, Price]
    tracing: Tracing | None
    on_text: OnText | None
    reads_state: bool
    """Whether anybody reads the state before a task: a simulator, the log, a judge of the application's."""
    application_code: bool
    """Whether any part runs application code, see `artis_sdk.loop.whose_code`."""

    def agreement(self, journal: CommitJournal) -> Agreement:
        """Settles who approved a plan before its commit in this journal."""
        return Agreement(
            journal=journal,
            asking=self.commits.asking,
            tools=self.tools,
            prompts=self.prompts,
            secrets=self.secrets,
        )

    async def edited(self, plan: Plan, edit: EditPlan, secrets: Mapping[str, JsonValue]) -> Plan:
        """The plan with an edit, which the journal of this context's commits has from now on; inside a
        rehearsed attempt, whose plans belong to no journal, none. See `Session.edit`."""
        whole = self.secrets.restored(plan, secrets)
        self.secrets.learn(whole.task)
        checked = checked_plan(plan, self.tools, self.commits.approval_key)
        whole = as_checked(whole, checked)
        if inside_attempt():
            return edited(whole, edit, self.tools, self.prompts, at=time.time())
        return await self.agreement(journal_around(self.journal)).edit(checked, whole, edit)

    def budget(self, emit: Emit, spent: Mapping[Role, Usage] | None = None) -> Budget:
        """The budget of one run.

        Args:
            spent: usage of its rehearsal in another session, by role.
        """
        return Budget(self.limits, prices=self.prices, emit=emit, on_text=self.on_text, spent=spent)


class NoSimulator(Simulator):
    """Placeholder for the simulator under a strategy that does not simulate."""

    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        """Refuse: this session cannot predict."""
        raise SimulationError(call.tool, "this session has no simulator")


def assemble(given: SessionArgs, settings: Settings, stack: AsyncExitStack, session: str) -> SessionParts:
    """Make the parts of the session with this id; the stack closes those opened here.

    Raises:
        ConfigurationError: an option is missing or does not fit; the message says what to pass or set.
    """
    prompts = _prompts(given, settings)
    backends = Backends(stack, settings.backends)
    tools = make_tools(given.tools, settings)
    secrets = SessionSecrets(given.redact or Redactor(), key=settings.plan_key)
    secrets.redactor.know(*tools.specs)
    secrets.see([tool.injected for tool in tools])
    sampling = RoleSampling(given.sampling, settings.sampling)
    agent, model = make_actor(given, settings, tools, backends, prompts, sampling)
    strategy = Direct() if isinstance(agent, NoAgent) else given.strategy or make_strategy(settings)
    simulator = make_simulator(given.simulator, settings, backends, prompts, stack, sampling)
    simulates = not isinstance(strategy, Direct) and not fits(strategy, StepStrategy)
    if simulates and simulator is None:
        raise ConfigurationError(
            f"strategy {strategy.name!r} needs a simulator: pass simulator=SandboxSimulator(), "
            "LLMSimulator(backend) or ReplaySimulator(log); or name one, such as sandbox or a backend, with "
            "--simulator, ARTIS_SIMULATOR, or simulator in artis.toml; or rehearse nothing: strategy direct"
        )
    judge = _backend_for("evaluator", given.evaluator or settings.evaluator, model, backends)
    advisor = _backend_for("summarizer", given.summarizer or settings.summarizer, model, backends)
    evaluate = settings.evaluate if given.evaluate is None else given.evaluate
    judges = evaluate and (simulates or (isinstance(strategy, Direct) and strategy.retries > 0))
    advises = simulates and (settings.summarize if given.summarize is None else given.summarize)
    scorer = _scorer(strategy, judge, prompts, sampling)
    evaluator = _part("judge", judge, prompts, sampling) if judges else None
    budget_prices = {**settings.prices, **(given.prices or {})}
    limits = given.limits or settings.limits
    own_stores = [store for store in (given.log, given.journal) if not isinstance(store, str | Path)]
    parts = SessionParts(
        tools=tools,
        actor=agent,
        committer=committing_actor(strategy, agent, scorer, evaluator),
        simulator=NoSimulator()
        if simulator is None or not simulates
        else trusted(veiled(simulator, secrets), given, settings),
        strategy=strategy,
        evaluator=evaluator,
        summarizer=_part("summarizer", advisor, prompts, sampling) if advises else None,
        prompts=prompts,
        journal=make_journal(settings.journal if given.journal is None else given.journal, stack),
        commits=_commit_options(given, settings),
        log=make_log(settings.log if given.log is None else given.log, tools, given.redact, stack),
        secrets=secrets,
        limits=limits,
        prices=budget_prices,
        tracing=_tracing(given, settings, session, secrets),
        on_text=None if given.on_text is None else partial(tell, "on_text", given.on_text),
        reads_state=simulates
        or (given.log or settings.log) is not None
        or (evaluator is not None and not is_ours(evaluator)),
        application_code=runs_application_code(
            simulator or NoSimulator(),
            (
                model or given.agent,
                judge,
                advisor,
                strategy,
                prompts,
                given.redact,
                given.on_text,
                *own_stores,
            ),
        ),
    )
    if parts.application_code:
        stack.enter_context(guarded_in_place(tools))
    # Each once: by default the parts share the agent's model.
    others = {id(part): part for part in (judge, advisor, getattr(simulator, "backend", None))}
    for known in (model, None):
        others.pop(id(known), None)
    priced = [part for part in others.values() if fits(part, Backend)]
    Budget(limits, prices=budget_prices).require_prices(*priced, *(() if model is None else (model,)))
    return parts


def make_actor(
    given: SessionArgs,
    settings: Settings,
    tools: Toolset,
    backends: Backends,
    prompts: Prompts,
    sampling: RoleSampling,
) -> tuple[Actor, Backend | None]:
    """The agent, and its model; None for an agent of the application's.

    Raises:
        ConfigurationError: the agent is missing, or neither a backend nor an async callable.
    """
    agent = given.agent or settings.agent
    if agent is None and (given.mode or settings.mode) == "replay":
        return NoAgent(), None
    if agent is None:
        raise ConfigurationError(
            "the session has no agent: pass agent= a Backend or an async function of your own; or name one, "
            "such as openai:MODEL, with --agent, ARTIS_AGENT, or agent in artis.toml; mode replay commits "
            "plans without one"
        )
    if not isinstance(agent, str) and not fits(agent, Backend):
        sampling.refuse("agent", "the agent is your own and calls its model itself")
        return CallableActor(agent, tools, prompts=prompts), None
    model = backends.get(agent)
    actor = ModelActor(
        model,
        tools,
        prompts=prompts,
        tool_format=given.tool_format or settings.tool_format,
        max_steps=given.max_steps or settings.max_steps,
        seed=given.seed,
        **sampling.of("agent"),
    )
    return actor, model


def _tracing(given: SessionArgs, settings: Settings, session: str, secrets: SessionSecrets) -> Tracing | None:
    traces = given.traces
    if traces is None and settings.traces != "off":
        traces = Traces(content=settings.traces == "content")
    return None if traces is None else Tracing(traces, session=session, secrets=secrets)


def _prompts(given: SessionArgs, settings: Settings) -> Prompts:
    if not isinstance(given.prompts, Prompts):
        return Prompts(given.prompts, style=given.style or settings.style)
    if given.style not in (None, given.prompts.style):
        raise ConfigurationError(
            f"style={given.style!r} contradicts prompts= of the style {given.prompts.style!r}: leave one out"
        )
    return given.prompts


def _commit_options(given: SessionArgs, settings: Settings) -> CommitOptions:
    timeout = settings.approve_timeout if given.approve_timeout is None else given.approve_timeout
    return CommitOptions(
        mode=given.mode or settings.mode,
        on_unknown=given.on_unknown or settings.on_unknown,
        on_unforeseen=given.on_unforeseen or settings.on_unforeseen,
        on_divergence=given.on_divergence or settings.on_divergence,
        approve=given.approve,
        approve_timeout=timeout,
        approval_key=settings.approval_key,
    )


def make_strategy(settings: Settings) -> Strategy:
    """The strategy named in the settings, with their number of attempts."""
    return named(settings.strategy)(settings.attempts)


def _backend_for(setting: str, given: Any, model: Backend | None, backends: Backends) -> Any:
    """The part in a role: the option, or what it names, a backend or the `module:name` of an object; by
    default the agent's model."""
    if given is None:
        return model
    if isinstance(given, str) and not is_backend(given):
        return load_part(setting, given)
    return backends.get(given) if isinstance(given, str) else given


_ROLES: dict[SampledRole, tuple[Callable[..., Any], str, str, str]] = {
    "judge": (ModelEvaluator, "judge itself", "evaluator= (a backend or an Evaluator)", "evaluate"),
    "summarizer": (ModelSummarizer, "summarize", "summarizer= (a backend or a Summarizer)", "summarize"),
}
"""By role, the part that asks a backend, what it does, the option that gives it, and the switch."""


def _part(role: SampledRole, given: Any, prompts: Prompts, sampling: RoleSampling) -> Any:
    """A role's part: one that asks this backend, or the caller's own."""
    model, does, option, switch = _ROLES[role]
    if given is None:
        raise ConfigurationError(
            f"an agent of your own cannot {does}: pass {option}, or {switch}=False; "
            f"in artis.toml, {switch} = false"
        )
    if fits(given, Backend):
        return model(given, prompts=prompts, **sampling.of(role))
    sampling.refuse(role, f"the {option.partition('=')[0]} is an object of yours")
    return given


def _scorer(strategy: Strategy, judge: Any, prompts: Prompts, sampling: RoleSampling) -> Scorer | None:
    """Scorer of the candidates of a step-level strategy; None for any other strategy."""
    if not fits(strategy, StepStrategy):
        return None
    if not fits(judge, Backend):
        raise ConfigurationError(f"strategy {strategy.name!r} scores by a model: pass evaluator=BACKEND")
    return ModelScorer(judge, prompts=prompts, **sampling.of("judge"))
