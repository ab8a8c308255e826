"""What every integration is tested with: an agent of its framework, and what its tools really did."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Literal

from helpers.fault_server import Handler, Seen, Server, serving
from helpers.frameworks import Predicts, Turn, calls_in, model, tool_results

from artis_sdk import Parallel, Risk, Session
from artis_sdk.records import Plan, Result

Way = Literal["async tools", "sync tools", "streamed", "sub-agent", "hand-off", "graph"]
SECRET = "kept-from-every-model-4711"
"""A value in the framework's context object."""
CONTEXT = "framework_context"
"""Name of the parameter by which a tool gets that object."""
RISKS = {"pay": Risk.IRREVERSIBLE, "balance": Risk.READ_ONLY}


def installed(module: str) -> bool:
    """Whether this environment has a framework's module."""
    top = module.partition(".")[0]
    return find_spec(top) is not None and find_spec(module) is not None


class NoFunds(Exception):
    """A real payment's failure, as the simulator predicts it."""


@dataclass(slots=True)
class Ledger:
    """What the real bodies of the tools did."""

    made: list[tuple[Any, ...]] = field(default_factory=list)
    read: Callable[[], list[tuple[Any, ...]]] | None = None
    """Reads them, where another process writes them."""
    fails: Exception | None = None
    """What a real payment raises."""

    @property
    def real(self) -> list[tuple[Any, ...]]:
        return self.made if self.read is None else self.read()

    def pay(self, target: str, amount: int, secret: str = SECRET) -> dict[str, Any]:
        assert secret == SECRET, "the context did not reach the real tool"
        self.made.append(("pay", target, amount))
        if self.fails is not None:
            raise self.fails
        return {"sent": amount}

    def balance(self, owner: str) -> int:
        self.made.append(("balance", owner))
        return 100


class Case(ABC):
    """One framework: an agent `clerk` with the tools `pay(target, amount)` and `balance(owner)`."""

    distribution: ClassVar[str]
    title: ClassVar[str]
    """Name in the table."""
    module: ClassVar[str]
    """What to import of artis_sdk."""
    context: ClassVar[str | None] = None
    """The framework's context parameter; None where its tools have none."""
    failure: ClassVar[str]
    """How a simulated failure arrives, for the table."""
    ways: ClassVar[Sequence[Way]] = ("async tools", "sync tools", "streamed", "sub-agent")
    sub_agent_call: ClassVar[Turn] = ()
    """The call by which the head has the clerk do the task."""
    hand_off_call: ClassVar[Turn] = ()
    """The call by which the head hands the conversation over to the clerk."""

    @abstractmethod
    def agent(self, url: str, ledger: Ledger, way: Way, stack: AsyncExitStack) -> Any:
        """The session's agent, whose model is at this address; the stack closes what it opens."""

    @abstractmethod
    def raised(self, message: str) -> Exception:
        """What a tool of this framework raises so that its model reads of the failure and goes on."""

    def predicted(self, message: str) -> str:
        """The message of the prediction that stands for that."""
        return message

    @asynccontextmanager
    async def ready(self, url: str, ledger: Ledger, way: Way = "async tools") -> AsyncIterator[Any]:
        """The agent, and all that must be open meanwhile."""
        async with AsyncExitStack() as stack:
            yield self.agent(url, ledger, way, stack)

    def turns(self, *turns: Turn, way: Way = "async tools") -> tuple[Turn, ...]:
        """The model's turns, with the head's in front where there is one."""
        first = {"sub-agent": (self.sub_agent_call,), "hand-off": (self.hand_off_call,)}.get(way, ())
        return (*first, *turns)

    def model(self, *turns: Turn) -> Handler:
        """The scripted model."""
        return model(*turns)

    def results(self, request: Seen) -> list[str]:
        """The texts of the tool results in a request."""
        return tool_results(request)

    @property
    def version(self) -> str:
        return version(self.distribution)


@dataclass(frozen=True, slots=True)
class Run:
    """Three rehearsals at once and a commit."""

    plan: Plan
    result: Result
    journal: list[tuple[str, str]]
    real_in_rehearsals: list[tuple[Any, ...]]
    real: list[tuple[Any, ...]]
    server: Server


def session(agent: Any, journal: Path, **options: Any) -> Session:
    """A session of three parallel attempts; the agent brings its tools."""
    given: dict[str, Any] = {
        "simulator": Predicts(), "strategy": Parallel(3), "evaluate": False, "summarize": False,
    }  # fmt: skip
    return Session(agent=agent, journal=journal, **{**given, **options})


async def played(case: Case, journal: Path, *turns: Turn, way: Way = "async tools", **options: Any) -> Run:
    """Rehearse, then commit, with everything that the laws look at."""
    ledger = Ledger()
    async with (
        serving(case.model(*case.turns(*turns, way=way))) as server,
        case.ready(server.base_url, ledger, way) as agent,
        session(agent, journal, **options) as s,
    ):
        plan = await s.rehearse("Send Bob five euros.")
        rehearsed = list(ledger.real)
        result = await s.commit(plan)
    return Run(plan, result, calls_in(journal), rehearsed, ledger.real, server)
