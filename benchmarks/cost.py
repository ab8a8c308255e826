"""What large states, long histories and many tools cost, in CPU of this process.

    python benchmarks/cost.py
    python benchmarks/cost.py --megabytes 1

The state is a shop of customers and orders. Models are scripted, so only this package's work counts.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from artis_sdk import Direct, LLMSimulator, Sequential, Session, Toolset, resolve
from artis_sdk.prompts import encode
from artis_sdk.records import Capabilities, Completion, Outcome, Provenance, Request, Step, ToolCall
from artis_sdk.simulators import PromptForm, SandboxSimulator, forks


class Quiet:
    """A model that answers by a function; a request is written as for a server, and sent nowhere."""

    name = "quiet"
    capabilities = Capabilities()

    def __init__(self, answer: Callable[[], Completion]) -> None:
        self._answer = answer
        self._wire: Any = resolve("openai:quiet", base_url="http://127.0.0.1:9/v1", api_key="none")
        self.requests = 0

    async def complete(
        self, request: Request, *, on_token: Callable[[str], None] | None = None
    ) -> Completion:
        self._wire.encode(request, stream=False)
        self.requests += 1
        await asyncio.sleep(0)
        return self._answer()

    async def aclose(self) -> None:
        await self._wire.aclose()


class Shop:
    """Customers and their orders."""

    def __init__(self, rows: int) -> None:
        self.customers = {
            f"C{n}": {"id": f"C{n}", "name": f"customer {n}", "orders": n % 7} for n in range(rows)
        }
        self.orders = [
            {"id": f"O{n}", "customer": f"C{n}", "total": n * 3, "status": "paid", "note": "x" * 40}
            for n in range(rows)
        ]
        self.day = 40

    def refund(self, order: str) -> str:
        """Pay an order back.

        Args:
            order: its id.
        """
        return f"{order} is refunded"


def shop(megabytes: float) -> Shop:
    """A shop whose state has so many characters."""
    one = len(encode(Toolset.from_object(Shop(1000)).state())) / 1000
    return Shop(round(megabytes * 1e6 / one))


def cpu(work: Callable[[], object], times: int = 1) -> float:
    """Milliseconds of each."""
    began = time.process_time()
    for _ in range(times):
        work()
    return 1e3 * (time.process_time() - began) / times


async def cpu_of(work: Callable[[], Awaitable[object]], times: int = 1) -> float:
    """Milliseconds of each."""
    began = time.process_time()
    for _ in range(times):
        await work()
    return 1e3 * (time.process_time() - began) / times


def refund(n: int) -> ToolCall:
    return ToolCall(tool="refund", arguments={"order": f"O{n}"})


def steps(count: int) -> tuple[Step, ...]:
    return tuple(
        Step(call=refund(n), outcome=Outcome.success(f"O{n} is refunded", Provenance.SIMULATED))
        for n in range(count)
    )


class Silent:
    """A meter that counts nothing."""

    async def complete(self, backend: Any, role: Any, request: Request) -> Completion:
        completion: Completion = await backend.complete(request)
        return completion


def predicted() -> Completion:
    return Completion(text='{"outputs": [{"ok": true, "value": "refunded"}]}')


def done() -> Completion:
    return Completion(text="done")


_TURNS = 8
FORMS = {
    "whole": PromptForm(),
    "8,000 characters": PromptForm(max_characters=8000),
    "focus": PromptForm(focus=True),
}


async def simulated(megabytes: float, form: PromptForm) -> dict[str, float]:
    """The first call over a state, each after it, and the first one of a further attempt."""
    tools = Toolset.from_object(shop(megabytes))
    state, history, numbers = tools.state(), steps(20), iter(range(1000))
    simulator = LLMSimulator(Quiet(predicted), form=form)
    attempt, again = (simulator.fork(tools, Silent()) for _ in range(2))
    return {
        "the first call": await cpu_of(lambda: attempt.predict(refund(7), state, ())),
        "each further call": await cpu_of(lambda: attempt.predict(refund(next(numbers)), state, history), 20),
        "the first call of a further attempt": await cpu_of(lambda: again.predict(refund(7), state, ())),
    }


async def long_history() -> dict[str, float]:
    """A call early in an attempt of 400, and one late."""
    tools = Toolset.from_object(Shop(10))
    state = tools.state()
    attempt = LLMSimulator(Quiet(predicted), form=PromptForm(max_characters=1_000_000)).fork(tools, Silent())
    history = steps(400)

    async def at(n: int) -> float:
        return await cpu_of(lambda: attempt.predict(refund(n), state, history[:n]))

    found = [await at(n) for n in range(400)]
    return {"steps 10 to 30": sum(found[10:30]) / 20, "steps 380 to 400": sum(found[380:]) / 20}


def forked(megabytes: float) -> dict[str, float]:
    """An attempt's fork of the objects."""
    plain = shop(megabytes)
    simulator = SandboxSimulator()
    found = {"deepcopy": cpu(lambda: simulator.fork(Toolset.from_object(plain), Silent()))}
    lazy = Toolset.from_object(plain, fork=forks.copy_on_write)
    found["forks.copy_on_write"] = cpu(lambda: simulator.fork(lazy, Silent()))
    return found


async def direct(megabytes: float) -> dict[str, float]:
    """A session that rehearses nothing: with the snapshot that it would take, and with `state={}`."""
    tools = Toolset.from_object(shop(megabytes))
    cases: dict[str, dict[str, Any]] = {"state={}": {"state": {}}, "by default": {}}
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, more in cases.items():

            async def one(more: dict[str, Any] = more) -> None:
                async with Session(
                    agent=Quiet(done),
                    tools=tools,
                    strategy=Direct(),
                    journal=Path(folder) / "journal.db",
                    **more,
                ) as session:
                    await session.run("Say done.")

            await one()
            found[name] = await cpu_of(one, 50)
    return found


async def many_tools() -> dict[str, float]:
    """A session's rehearsal of one call with so many tools, the documents in text; the best of some turns."""
    found: dict[str, float] = {}
    sets = {count: Toolset.from_functions(*map(_tool, range(count))) for count in (10, 500)}
    for _ in range(_TURNS):
        for count, tools in sets.items():
            name = f"{count} tools"
            with tempfile.TemporaryDirectory() as folder:
                found[name] = min(found.get(name, float("inf")), await _rehearsed(tools, folder))
    return found


def _tool(n: int) -> Callable[..., str]:
    def look(place: str, depth: int = 1) -> str:
        """Look at a place, and at what is in it.

        Args:
            place: where to look.
            depth: how far.
        """
        return place

    look.__name__ = f"look_{n}"
    return look


async def _rehearsed(tools: Toolset, folder: str) -> float:
    turns = 0

    def answer() -> Completion:
        nonlocal turns
        turns += 1
        if turns % 7 == 0:
            return done()
        return Completion(tool_calls=(ToolCall(tool="look_3", arguments={"place": "here"}),))

    agent, model = Quiet(answer), Quiet(predicted)
    async with Session(
        agent=agent,
        simulator=LLMSimulator(model),
        tools=tools,
        strategy=Sequential(1),
        evaluate=False,
        summarize=False,
        journal=Path(folder) / "journal.db",
    ) as session:
        await session.rehearse("Look.")
        before = agent.requests + model.requests
        cost = await cpu_of(lambda: session.rehearse("Look."), 10)
        return cost * 10 / (agent.requests + model.requests - before)


async def run(megabytes: float) -> dict[str, dict[str, float]]:
    """All measurements."""
    return {
        **{
            f"simulated calls, state of {megabytes:g} MB, {name}": await simulated(megabytes, form)
            for name, form in FORMS.items()
        },
        "a simulated call by its place in the history": await long_history(),
        f"an attempt's fork of {megabytes:g} MB": forked(megabytes),
        f"a task under Direct, objects of {megabytes:g} MB": await direct(megabytes),
        "a model call": await many_tools(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=5, help="size of the state")
    found = asyncio.run(run(parser.parse_args().megabytes))
    console = Console()
    for title, rows in found.items():
        table = Table("", "CPU ms", title=title, title_justify="left", min_width=60)
        for name, milliseconds in rows.items():
            table.add_row(name, f"{milliseconds:.2f}")
        console.print(table)


if __name__ == "__main__":
    main()
