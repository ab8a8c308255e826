"""The options of a session in one list: the keyword arguments of `Session`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from artis_sdk.commit.approver import Approver
from artis_sdk.commit.before import OnUnknown
from artis_sdk.commit.guard import Treatments
from artis_sdk.commit.journal import CommitJournal
from artis_sdk.contracts import Agent, Backend, Evaluator, LogStore, Simulator, Summarizer
from artis_sdk.logs import Redactor
from artis_sdk.loop.budget import Emit
from artis_sdk.loop.limits import Limits, Price
from artis_sdk.loop.model_actor import ToolFormat
from artis_sdk.loop.strategies import Strategy
from artis_sdk.loop.streamed import OnText
from artis_sdk.prompts import Prompts, Style
from artis_sdk.records import CommitMode, History, Message, SampledRole, Sampling, State
from artis_sdk.simulators.trust import OnDoubt, Trust
from artis_sdk.tools import Toolset
from artis_sdk.traces import Traces

StateSource = State | Callable[[], State | Awaitable[State]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionArgs:
    """The options of a `Session`: it rehearses tasks in simulation and commits them, each once, for real.

    An option that is left out is read from `ARTIS_*` variables, then from `artis.toml`, if it is a setting.

    Args:
        agent: a backend or its name (`openai:gpt-5-mini`), or your own agent: any
            `async def agent(task, *, tools, guidance) -> str`, whose guarded calls are routed, or its place
            (`package.module:agent`; `pydantic_ai:package.module:agent` of another framework's). Not needed
            with `mode="replay"`.
        simulator: a Simulator, or the name of a registered one; a backend or its name, for an
            `LLMSimulator`; `"sandbox"`; or
            `"replay:FILE"`, `"retrieval:FILE"` or `"majority:FILE"`, for a call log; `"checked"`, which
            computes from the tools' source, also in front of one of these: `"checked,openai:gpt-5-mini"`.
            Not needed by strategies that do not simulate.
        trust: verdicts on the simulator by tool, or the file or adapter folder with them that
            `artis eval simulator` wrote. The simulator then predicts trusted tools only.
        on_doubt: consequence of an attempt's call of an untrusted tool. `skip`, the default, ends that
            attempt there, keeps its earlier calls and adds a note to the plan; if no tool is trusted,
            nothing is rehearsed. `stop` ends the rehearsal with `RehearsalStopped`.
        tools: a Toolset, or guarded functions. An agent of `artis_sdk.integrations` brings its own.
        strategy: order of the attempts; by default `Sequential(5)`, as in the paper.
        state: JSON state of the environment, or a function that returns it (async or not), called before
            each task. By default a snapshot of the objects behind the tools.
        history: real calls made before the session was opened, oldest first, for the simulator. Not used
            where `state` is a function, which shows their effects, or objects behind the tools do.
        conversation: messages of turns before the session was opened, oldest first, such as
            `Session.conversation` of the session that played them.
        limits: limits of each run, rehearsal and commit together.
        log: call log, or its path, for every real call; or the URL of one that hosts share, a database or a
            folder of Parquet files.
        journal: commit journal, its path, or `postgresql://user@host:port/database`; by default one file for
            all sessions of a user.
        on_unknown: treatment of a call whose twin in the journal, with the same tool and arguments, has no
            known outcome. `refuse`, the default, does not make the call; `ask` has the approver settle the
            twin; `note` makes the call, and the result's notes name the twin.
        mode: how plans are committed, if `Session.commit` is not told. `guided`: the agent acts, with the
            recommendation. `bound`: the agent acts, and is held to the calls that the plan foresees; the
            default for plans that somebody approved. `replay`: the foreseen calls are made, without a model.
        on_unforeseen: treatment, in a commit that is not guided, of a call that may change something and
            that the plan does not foresee: `ask` the approver (the default), `stop` the commit, or `allow`
            it; or a mapping from risk to one of these.
        on_divergence: treatment, in such a commit, of a call whose outcome is not the predicted one; as
            `on_unforeseen`.
        approve: the approver, `async def approve(request) -> answer`, see `artis_sdk.commit.approver`. It is
            asked before a plan is committed that nobody approved, and about what the plan does not foresee.
            Without one the answer is no.
        approve_timeout: limit of each of its answers, in seconds; no answer is no.
        evaluator: the judge of the attempts; the agent's own model by default.
        summarizer: the writer of the recommendation; the agent's own model by default.
        prompts: templates that replace ours, or a mapping or folder of them.
        style: `ours`, the default, or `paper`: how attempts are judged and shown, and what the advice is made
            of (`artis_sdk.prompts.Style`). A `Prompts` object brings its own.
        evaluate: whether attempts are judged, by default yes; False is figure 4's "w/o Eval".
        summarize: whether a recommendation is written, by default yes; False is figure 4's "w/o Sum".
        tool_format: `native` tool calling, the paper's `text` format, or `auto` for what the backend can do.
        max_steps: maximum agent steps of one attempt or commit.
        sampling: temperature, top-p and maximum tokens of an answer by role: `agent`, `simulator`, `judge`,
            `summarizer`. By default the paper's, for the agent the model card's where there is one.
        seed: sampling seed, for backends that take one.
        prices: price of each backend, by its name; a cost limit needs them.
        redact: the redactor, with your rules beside ours, of journal, log, saved plans and events.
        on_event: callback on the event loop for each `artis_sdk.records.events.Event`, without secrets.
        on_text: callback on the event loop for each `artis_sdk.loop.streamed.TextPiece`: the models' texts in
            every role, as they are written, **with** their secrets, for a person's screen and for no log. The
            models are then asked to stream, where they can; an answer that is cut off after its first piece
            is not asked for again.
        traces: OpenTelemetry spans of what the session does, see `Traces`; None for what the settings say.
    """

    agent: str | Backend | Agent | None = None
    simulator: Simulator | Backend | str | None = None
    trust: Trust | str | Path | None = None
    on_doubt: OnDoubt | None = None
    tools: Toolset | Iterable[Any] | None = None
    strategy: Strategy | None = None
    state: StateSource = None
    history: History = ()
    conversation: tuple[Message, ...] = ()
    limits: Limits | None = None
    log: LogStore | str | Path | None = None
    journal: CommitJournal | str | Path | None = None
    on_unknown: OnUnknown | None = None
    mode: CommitMode | None = None
    on_unforeseen: Treatments | None = None
    on_divergence: Treatments | None = None
    approve: Approver | None = None
    approve_timeout: float | None = None
    evaluator: Evaluator | Backend | str | None = None
    summarizer: Summarizer | Backend | str | None = None
    prompts: Prompts | Mapping[str, str | Path] | str | Path | None = None
    style: Style | None = None
    evaluate: bool | None = None
    summarize: bool | None = None
    tool_format: ToolFormat | None = None
    max_steps: int | None = None
    sampling: Mapping[SampledRole, Sampling] | None = None
    seed: int | None = None
    prices: Mapping[str, Price] | None = None
    redact: Redactor | None = None
    on_event: Emit | None = None
    on_text: OnText | None = None
    traces: Traces | None = None
