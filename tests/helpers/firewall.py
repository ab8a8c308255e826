"""Guarded tools with a canary in every real body, and worlds that never touch one."""

from __future__ import annotations

import asyncio
import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from artis_sdk.errors import CommitRefused, FirewallError, UnknownOutcome
from artis_sdk.records import Outcome, Provenance, Risk
from artis_sdk.tools import Invocation, Reply, Toolset, entered, guarded_tool, running_code
from artis_sdk.tools.execute import execute
from artis_sdk.tools.world import firewall

if TYPE_CHECKING:
    from helpers.firewall_run import Run

CANARIES: list[str] = []
"""Every real body that ran."""

REFUSALS = (FirewallError, UnknownOutcome, CommitRefused)
"""How a call may be refused: by the firewall, and by a commit that an earlier refusal has ended."""

PREDICTED = 1000
"""What a world predicts; real bodies return something else."""


def clean() -> Iterator[None]:
    """The body of a fixture: no body has run, and no rehearsal is left behind."""
    CANARIES.clear()
    yield
    assert not firewall.running
    assert firewall.lease is None
    assert "ARTIS_WORLD" not in os.environ


@guarded_tool(failures=[LookupError])
def pay(n: int) -> int:
    CANARIES.append("pay")
    return -n


@guarded_tool(risk=Risk.READ_ONLY)
async def look(n: int) -> int:
    CANARIES.append("look")
    return -n


class Bank:
    def move(self, n: int) -> int:
        CANARIES.append("move")
        return -n

    async def fetch(self, n: int) -> int:
        CANARIES.append("fetch")
        return -n

    @guarded_tool
    def freeze(self, n: int) -> int:
        CANARIES.append("freeze")
        return -n

    @staticmethod
    @guarded_tool
    def rate(n: int) -> int:
        CANARIES.append("rate")
        return -n

    @guarded_tool
    @classmethod
    async def open(cls, n: int) -> int:
        CANARIES.append("open")
        return -n


BANK = Bank()
TOOLS = Toolset.from_object(BANK)


SYNC_LEAVES: dict[str, Any] = {
    "pay": pay,
    "move": TOOLS["move"],
    "freeze": BANK.freeze,
    "unbound": lambda n: Bank.freeze(BANK, n),
    "rate": Bank.rate,
    "tool": TOOLS["freeze"],
}
ASYNC_LEAVES: dict[str, Any] = {"look": look, "fetch": TOOLS["fetch"], "open": Bank.open}


RUNS: dict[str, Run] = {}


@guarded_tool
def outer(run: str, program: Any) -> str:
    """A tool whose real body makes guarded calls; the sandbox world runs it."""
    RUNS[run].sync(_program(program))
    return "done"


@guarded_tool
async def outer_async(run: str, program: Any) -> str:
    """The same, async."""
    await RUNS[run].run(_program(program))
    return "done"


def _program(json: Any) -> Any:
    return json if isinstance(json, str) else (json[0], [_program(child) for child in json[1]])


class CountingWorld:
    """Predicts every call, after a switch of tasks; every fifth as a failure. Runs `outer` for real."""

    def __init__(self) -> None:
        self.handled = 0
        self.threads: set[int] = set()

    async def handle(self, invocation: Invocation) -> Reply:
        self.threads.add(threading.get_ident())
        tool = invocation.tool
        if tool.name.startswith("outer"):
            return await execute(
                tool, tool.function, invocation.args, invocation.kwargs, Provenance.SANDBOXED
            )
        self.handled += 1
        await asyncio.sleep(0)
        if self.handled % 5 == 0:
            return tool.reply(Outcome.failure("LookupError", "predicted", Provenance.SIMULATED, raised=True))
        return tool.reply(Outcome.success(PREDICTED, Provenance.SIMULATED))

    async def handle_turn(self, invocations: Sequence[Invocation]) -> list[Reply]:
        return [await self.handle(invocation) for invocation in invocations]


async def rehearsed(call: Callable[[], Any]) -> Any:
    """The result of a function that a rehearsal runs in a thread."""
    with running_code("rehearsal"), entered(CountingWorld()):
        return await asyncio.to_thread(call)


class Remembers(CountingWorld):
    """The same, keeping its refusals."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: list[FirewallError] = []

    def remember_refusal(self, error: FirewallError) -> None:
        self.refused.append(error)


WARM = ThreadPoolExecutor(2)
"""A pool that is older than every world, and serves others too."""


class Worker:
    """An application's own queue and the thread that works it off."""

    def __init__(self) -> None:
        self.jobs: queue.Queue[tuple[Callable[..., Any], tuple[Any, ...]] | None] = queue.Queue()
        self.thread = threading.Thread(target=self._work, daemon=True)
        self.thread.start()

    def _work(self) -> None:
        while (job := self.jobs.get()) is not None:
            job[0](*job[1])
            self.jobs.task_done()

    def end(self) -> None:
        self.jobs.put(None)
        self.thread.join()


def simple_worker() -> queue.SimpleQueue[tuple[Callable[[], Any], Future[None]]]:
    """The queue of a worker that nothing tells whose work it does."""
    jobs: queue.SimpleQueue[tuple[Callable[[], Any], Future[None]]] = queue.SimpleQueue()

    def work() -> None:
        while True:
            job, done = jobs.get()
            try:
                job()
            finally:
                done.set_result(None)

    threading.Thread(target=work, daemon=True).start()
    return jobs


class Dies:
    """Calls something when it dies; with itself in a cycle, when garbage is collected."""

    def __init__(self, last: Callable[[], Any], *, cycle: bool = True) -> None:
        self.last = last
        self.me = self if cycle else None

    def __del__(self) -> None:
        self.last()


def pay_or_refusal(n: int) -> int | str:
    """For another process or thread: what became of the call there."""
    try:
        return pay(n)
    except FirewallError as error:
        return str(error)
