"""The options of a session in one list: the keyword arguments of `Session`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from artis_sdk.commit.before import OnUnknown
from artis_sdk.commit.journal import CommitJournal
from artis_sdk.contracts import Agent, Backend, Evaluator, LogStore, Simulator, Summarizer
from artis_sdk.logs import Redactor
from artis_sdk.loop.budget import Emit
from artis_sdk.loop.limits import Limits, Price
from artis_sdk.loop.strategies import Strategy
from artis_sdk.prompts import Prompts
from artis_sdk.records import State
from artis_sdk.simulators.trust import OnDoubt, Trust
from artis_sdk.tools import Toolset

StateSource = State | Callable[[], State | Awaitable[State]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionArgs:
    """The options of a `Session`: it rehearses tasks in simulation and commits them, each once, for real.

    An option that is left out is read from `ARTIS_*` variables, then from `artis.toml`, if it is a setting.

    Args:
        agent: a backend or its name (`openai:gpt-5-mini`), or your own agent: any
            `async def agent(task, *, tools, guidance) -> str`, whose guarded calls are routed.
        simulator: a Simulator; a backend or its name, for an `LLMSimulator`; `"sandbox"`; or
            `"replay:FILE"` or `"retrieval:FILE"`. Not needed by strategies that do not simulate.
        trust: verdicts on the simulator by tool, or the file or adapter folder with them that
            `artis eval simulator` wrote. The simulator then predicts trusted tools only.
        on_doubt: consequence of an attempt's call of an untrusted tool. `skip`, the default, ends that
            attempt there, keeps its earlier calls and adds a note to the plan; if no tool is trusted,
            nothing is rehearsed. `stop` ends the rehearsal with `RehearsalStopped`.
        tools: a Toolset, or guarded functions.
        strategy: order of the attempts; by default `Sequential(5)`, as in the paper.
        state: JSON state of the environment, or a function that returns it (async or not), called before
            each task. By default a snapshot of the objects behind the tools.
        limits: limits of each run, rehearsal and commit together.
        log: call log, or its path, for every real call.
        journal: commit journal, or its path; by default one file for all sessions of a user.
        on_unknown: treatment of a call whose twin in the journal, with the same tool and arguments, has no
            known outcome. `refuse`, the default, does not make the call; `note` makes it, and the result's
            notes name the twin.
        evaluator: the judge of the attempts; the agent's own model by default.
        summarizer: the writer of the recommendation; the agent's own model by default.
        prompts: templates that replace ours, or a mapping or folder of them.
        evaluate: whether attempts are judged; False is figure 4's "w/o Eval".
        summarize: whether a recommendation is written; False is figure 4's "w/o Sum".
        tool_format: `native` tool calling, the paper's `text` format, or `auto` for what the backend can do.
        max_steps: maximum agent steps of one attempt or commit.
        seed: sampling seed, for backends that take one.
        prices: price of each backend, by its name; a cost limit needs them.
        redact: the redactor, with your rules beside ours, of journal, log, saved plans and events.
        on_event: callback on the event loop for each `artis_sdk.records.events.Event`, without secrets.
    """

    agent: str | Backend | Agent | None = None
    simulator: Simulator | Backend | str | None = None
    trust: Trust | str | Path | None = None
    on_doubt: OnDoubt | None = None
    tools: Toolset | Iterable[Any] | None = None
    strategy: Strategy | None = None
    state: StateSource = None
    limits: Limits | None = None
    log: LogStore | str | Path | None = None
    journal: CommitJournal | str | Path | None = None
    on_unknown: OnUnknown | None = None
    evaluator: Evaluator | Backend | str | None = None
    summarizer: Summarizer | Backend | str | None = None
    prompts: Prompts | Mapping[str, str | Path] | str | Path | None = None
    evaluate: bool = True
    summarize: bool = True
    tool_format: Literal["auto", "native", "text"] | None = None
    max_steps: int | None = None
    seed: int | None = None
    prices: Mapping[str, Price] | None = None
    redact: Redactor | None = None
    on_event: Emit | None = None
