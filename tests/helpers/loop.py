"""What the tests of the loop, the strategies and the limits share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from artis_sdk.backends.scripted import ScriptedBackend
from artis_sdk.contracts import Evaluator, Meter, Simulator, Summarizer, Tool
from artis_sdk.loop.actor import Actor
from artis_sdk.loop.budget import Budget
from artis_sdk.loop.evaluate import ModelEvaluator
from artis_sdk.loop.model_actor import ModelActor
from artis_sdk.loop.rehearsal import rehearse
from artis_sdk.loop.strategies import Strategy
from artis_sdk.loop.summarize import ModelSummarizer
from artis_sdk.records import Capabilities, History, Outcome, Plan, Provenance, Request, State, Task, ToolCall
from artis_sdk.tools import Toolset, guarded_tool

PASSED = "<Evaluation>It did.</Evaluation>\n<Result>1</Result>\n<Suggestion></Suggestion>"
FAILED = "<Evaluation>It did not.</Evaluation>\n<Result>0</Result>\n<Suggestion>Look first.</Suggestion>"
SUMMARY = '{"attempt": 1, "note": "Pay once."}'
PROSE = '{"recommendation": "Look first, then pay.", "rationale": "It worked."}'
"""The summary in the paper's style."""


@guarded_tool
def pay(account: str, amount: int) -> dict[str, Any]:
    """Pay an amount from an account.

    Args:
        account: whose money.
        amount: how much, in cents.
    """
    raise AssertionError("a real function ran")


@guarded_tool
async def look(account: str) -> dict[str, Any]:
    """Read the balance of an account."""
    raise AssertionError("a real function ran")


TOOLS = Toolset(pay, look)


def task(query: str = "Pay 5 from a.", **more: Any) -> Task:
    return Task(query=query, tools=TOOLS.specs, **more)


def call(tool: str, /, **arguments: Any) -> ToolCall:
    return ToolCall(tool=tool, arguments=arguments)


class Ledger(Simulator):
    """Keeps a balance for each fork; an account without cover is a failure.

    Args:
        broken: raised by every prediction instead.
        before: awaited before each prediction.
    """

    def __init__(self, broken: Exception | None = None, before: Callable[[], Any] | None = None) -> None:
        self.balance = 10
        self.forks: list[Ledger] = []
        self.seen: list[History] = []
        self._broken = broken
        self._before = before

    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        self.seen.append(history)
        if self._before is not None:
            await self._before()
        if self._broken is not None:
            raise self._broken
        if call.tool == "pay":
            amount = call.arguments["amount"]
            assert isinstance(amount, int)
            if amount > self.balance:
                return Outcome.failure("NoCover", "no cover", Provenance.SIMULATED, raised=True)
            self.balance -= amount
        return Outcome.success({"balance": self.balance}, Provenance.SIMULATED)

    def fork(self, tools: Iterable[Tool], meter: Meter) -> Simulator:
        fork = Ledger(self._broken, self._before)
        self.forks.append(fork)
        return fork


def agent_of(replies: Any, *, native: bool = True, **more: Any) -> tuple[ScriptedBackend, ModelActor]:
    """A scripted model as agent."""
    capabilities = Capabilities(
        native_tools=native, seed=True, adapters=True, context_window=more.pop("context_window", None)
    )
    backend = ScriptedBackend(replies, name="agent", capabilities=capabilities, delay=more.pop("delay", 0.0))
    return backend, ModelActor(backend, TOOLS, **more)


def always(reply: Any) -> Callable[[Request], Any]:
    return lambda request: reply


def judge(reply: Any = PASSED, **more: Any) -> tuple[ScriptedBackend, ModelEvaluator]:
    backend = ScriptedBackend(always(reply) if isinstance(reply, str) else reply, name="judge")
    return backend, ModelEvaluator(backend, **more)


def adviser(reply: Any = SUMMARY, **more: Any) -> tuple[ScriptedBackend, ModelSummarizer]:
    backend = ScriptedBackend(always(reply) if isinstance(reply, str) else reply, name="adviser")
    return backend, ModelSummarizer(backend, **more)


def pay_then_answer(request: Request) -> Any:
    """An agent that pays once and answers."""
    return "done" if request.messages[-1].role == "tool" else call("pay", account="a", amount=5)


async def rehearsed(
    strategy: Strategy,
    actor: Actor,
    *,
    simulator: Simulator | None = None,
    evaluator: Evaluator | None = None,
    summarizer: Summarizer | None = None,
    budget: Budget | None = None,
    events: list[Any] | None = None,
    given: Task | None = None,
) -> Plan:
    """A rehearsal with everything that a test leaves out filled in; judges are off unless given."""
    return await rehearse(
        given or task(),
        actor=actor,
        simulator=simulator or Ledger(),
        tools=TOOLS,
        strategy=strategy,
        budget=budget or Budget(),
        evaluator=evaluator,
        summarizer=summarizer,
        emit=(events if events is not None else []).append,
    )


def prompt(request: Request) -> str:
    """Everything that a request says, in one text."""
    return "\n".join(message.content for message in request.messages)


def of_kind(events: Sequence[Any], kind: str) -> list[Any]:
    return [event for event in events if event.kind == kind]
