"""CPU of a whole Session for each LLM step, against a hand-written loop on the same client.

    python benchmarks/session.py            # the table
    python benchmarks/session.py --json
    python benchmarks/session.py --rows 1 --frameworks    # with agents of three frameworks

All loops talk to one scripted server in a process of its own, over HTTP, and call the same tool. The
hand-written loop is what the client's documentation shows: `chat.completions.create` in a while loop; *post*
is the least that can be written: aiohttp's `post`, and dictionaries. The Session does the same job with
records, validation, journal, usage and events: *lean* with a tool that is async and only reads, and a journal
that is open; *default* with a sync irreversible tool, and journal and call log by their paths. CPU is that of
the client process, threads included.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console
from rich.table import Table

from artis_sdk import Direct, Risk, Session, Toolset, guarded_tool, resolve
from artis_sdk.commit.journal import SQLiteJournal
from artis_sdk.contracts import Backend

_OURS = re.compile(r"(?<=/)(?:artis_sdk(?:/[a-z_]+(?=/))?|backends(?=/.*[.]py))(?=/)")
TESTS = Path(__file__).parent.parent / "tests"
QUERY = "Look at everything there is, then say that you are done."


class Shelf:
    """The object whose one tool both loops call."""

    @guarded_tool(risk=Risk.READ_ONLY)
    async def look(self, place: str = "here") -> dict[str, Any]:
        """Look at a place.

        Args:
            place: where to look.
        """
        return {"place": place, "found": ["a book", "a lamp"]}


class PlainShelf:
    """The same tool as most are: sync, and nothing said of its risk."""

    @guarded_tool
    def look(self, place: str = "here") -> dict[str, Any]:
        """Look at a place.

        Args:
            place: where to look.
        """
        return {"place": place, "found": ["a book", "a lamp"]}


class Server:
    """The scripted server, in a process of its own."""

    def __init__(self, calls: int, delay: float) -> None:
        command = [
            sys.executable,
            "-m",
            "helpers.fault_server",
            "--port",
            "0",
            "--calls",
            str(calls),
            "--delay",
            str(delay),
        ]
        command += ["--tool", "look", "--arguments", '{"place": "there"}']
        self.process = subprocess.Popen(command, cwd=TESTS, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.base_url = f"http://127.0.0.1:{int(self.process.stdout.readline())}/v1"

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        with self.process:  # closes its pipe and waits for its end
            pass


async def hand_written(client: Any, shelf: Shelf, tools: Toolset) -> None:
    """The loop from the client's documentation."""
    documents = [{"type": "function", "function": spec.document()} for spec in tools.specs]
    messages: list[Any] = [{"role": "user", "content": QUERY}]
    while True:
        answer = await client.chat.completions.create(model="scripted", messages=messages, tools=documents)
        message = answer.choices[0].message
        messages.append(message.model_dump(exclude_none=True))
        if not message.tool_calls:
            return
        for call in message.tool_calls:
            result = await shelf.look(**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": json.dumps(result)})


async def posted(http: Any, url: str, shelf: Shelf, tools: Toolset) -> None:
    """The same loop without a client."""
    documents = [{"type": "function", "function": spec.document()} for spec in tools.specs]
    messages: list[Any] = [{"role": "user", "content": QUERY}]
    while True:
        body = {"model": "scripted", "messages": messages, "tools": documents}
        async with http.post(f"{url}/chat/completions", json=body) as response:
            response.raise_for_status()
            message = (await response.json())["choices"][0]["message"]
        messages.append(message)
        if not message.get("tool_calls"):
            return
        for call in message["tool_calls"]:
            result = await shelf.look(**json.loads(call["function"]["arguments"]))
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": json.dumps(result)})


def frameworks(client: Any, url: str, calls: int) -> dict[str, Callable[[], Awaitable[object]]]:
    """The same job by agents of frameworks, each with a sync tool, as most are."""
    from agents import Agent as OpenAIAgent
    from agents import OpenAIChatCompletionsModel, RunConfig, Runner, function_tool
    from langchain.agents import create_agent
    from langchain_openai import ChatOpenAI
    from pydantic_ai import Agent as PydanticAgent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    def look(place: str = "here") -> dict[str, Any]:
        """Look at a place."""
        return {"place": place, "found": ["a book", "a lamp"]}

    pydantic = PydanticAgent(
        OpenAIChatModel("scripted", provider=OpenAIProvider(openai_client=client)), tools=[look]
    )
    openai = OpenAIAgent(
        name="agent",
        model=OpenAIChatCompletionsModel("scripted", client),
        tools=[function_tool(look)],
    )
    langchain: Any = create_agent(ChatOpenAI(model="scripted", base_url=url, api_key="none"), [look])
    quiet = RunConfig(tracing_disabled=True)
    most = {"recursion_limit": 4 * calls + 10}
    return {
        "pydantic_ai": lambda: pydantic.run(QUERY),
        "openai_agents": lambda: Runner.run(openai, QUERY, run_config=quiet, max_turns=calls + 5),
        "langchain": lambda: langchain.ainvoke({"messages": [("user", QUERY)]}, most),
    }


async def one_session(backend: Backend, shelf: Shelf, tools: Toolset, journal: SQLiteJournal) -> None:
    """The same job as a Session that commits at once."""
    async with Session(
        agent=backend, tools=tools, strategy=Direct(), journal=journal, max_steps=100, on_event=_listen
    ) as session:
        await session.run(QUERY)


async def default_session(backend: Backend, tools: Toolset, folder: Path) -> None:
    """The same job as a Session with what it makes by itself."""
    async with Session(
        agent=backend,
        tools=tools,
        strategy=Direct(),
        journal=folder / "default.db",
        log=folder / "calls.db",
        max_steps=100,
        on_event=_listen,
    ) as session:
        await session.run(QUERY)


def _listen(event: object) -> None:
    """Somebody listens, so that events are made."""


async def measure(
    job: Callable[[], Awaitable[object]], sessions: int, steps: int, enough: int = 700
) -> dict[str, float]:
    """Run so many jobs at once; CPU for each LLM step in milliseconds, wall for all in seconds.

    Few sessions are run several times over, for `enough` steps, so that the clock has something to measure.
    """
    await job()  # connections, imports and caches are warm afterwards
    rounds = max(1, enough // (sessions * steps))
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(rounds):
        await asyncio.gather(*(job() for _ in range(sessions)))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"cpu_ms": 1e3 * cpu / (rounds * sessions * steps), "wall_s": wall / rounds}


async def compare(sessions: int, calls: int, delay: float, beside: bool) -> dict[str, Any]:
    """The loops side by side, taking turns; the best of three of each.

    At 1000 sessions the hand-written loop runs once, on its default transport: a minute and a half.
    """
    from aiohttp import ClientSession, TCPConnector
    from openai import AsyncOpenAI, DefaultAioHttpClient

    shelf, steps = Shelf(), calls + 1
    tools = Toolset.from_object(shelf)
    best: dict[str, dict[str, float]] = {}
    with Server(calls, delay) as server, tempfile.TemporaryDirectory() as folder:
        client = AsyncOpenAI(base_url=server.base_url, api_key="none", max_retries=0, timeout=300)
        aio = AsyncOpenAI(
            base_url=server.base_url, api_key="none", max_retries=0, timeout=300,
            http_client=DefaultAioHttpClient(timeout=300),
        )  # fmt: skip
        backend = resolve(
            "openai:scripted", base_url=server.base_url, api_key="none", max_concurrency=1000, timeout=300
        )
        default = resolve("openai:scripted", base_url=server.base_url, api_key="none", timeout=300)
        plain = Toolset.from_object(PlainShelf())
        http = ClientSession(connector=TCPConnector(limit=0))
        journal = SQLiteJournal(Path(folder) / "journal.db")
        jobs: dict[str, Callable[[], Awaitable[object]]] = {
            "post": lambda: posted(http, server.base_url, shelf, tools),
            "hand": lambda: hand_written(client, shelf, tools),
            "hand_aiohttp": lambda: hand_written(aio, shelf, tools),
            "session": lambda: one_session(backend, shelf, tools, journal),
            "default": lambda: default_session(default, plain, Path(folder)),
        }
        if sessions >= 1000:
            del jobs["hand_aiohttp"]
        elif beside:
            jobs |= frameworks(client, server.base_url, calls)
        for turn in range(3):
            for name, job in jobs.items():
                if turn and sessions >= 1000 and name == "hand":
                    continue
                got = await measure(job, sessions, steps, 70 if delay else 700)
                if name not in best or got["cpu_ms"] < best[name]["cpu_ms"]:
                    best[name] = got
        await http.close()
        await client.close()
        await aio.close()
        await backend.aclose()
        await default.aclose()
        journal.close()
    return {
        "sessions": sessions,
        "calls": calls,
        "delay_ms": delay * 1e3,
        **{f"{name}_{key}": value for name, got in best.items() for key, value in got.items()},
        "cpu_ratio": best["session"]["cpu_ms"] / best["hand"]["cpu_ms"],
        "post_ratio": best["session"]["cpu_ms"] / best["post"]["cpu_ms"],
        "wall_gain": best["hand"]["wall_s"] / best["session"]["wall_s"],
        "default_cpu_ratio": best["default"]["cpu_ms"] / best["hand"]["cpu_ms"],
        "default_wall_gain": best["hand"]["wall_s"] / best["default"]["wall_s"],
    }


async def concurrency(calls: int = 6) -> float:
    """CPU a step of 1000 Sessions over that of 100, taking turns; the best of three of each."""
    shelf = Shelf()
    tools = Toolset.from_object(shelf)
    best: dict[int, float] = {}
    with Server(calls, 0.0) as server, tempfile.TemporaryDirectory() as folder:
        backend = resolve(
            "openai:scripted", base_url=server.base_url, api_key="none", max_concurrency=1000, timeout=300
        )
        journal = SQLiteJournal(Path(folder) / "journal.db")
        for sessions in (1000, 100, 1000, 100, 1000, 100):
            got = await measure(lambda: one_session(backend, shelf, tools, journal), sessions, calls + 1)
            best[sessions] = min(best.get(sessions, got["cpu_ms"]), got["cpu_ms"])
        await backend.aclose()
        journal.close()
    return best[1000] / best[100]


async def function_calls(calls: int) -> float:
    """Python function calls for each LLM step of a Session; does not depend on the machine."""
    return sum((await calls_by_part(calls)).values())


async def calls_by_part(calls: int) -> dict[str, float]:
    """The same by folder of this package and by library, most first."""
    shelf = Shelf()
    tools = Toolset.from_object(shelf)
    count: Counter[str] = Counter()

    def profile(frame: FrameType, event: str, argument: object) -> None:
        if event == "call":
            file = frame.f_code.co_filename
            folder = _OURS.search(file)
            count[folder[0] if folder else "libraries"] += 1

    with Server(calls, 0.0) as server, tempfile.TemporaryDirectory() as folder:
        backend = resolve("openai:scripted", base_url=server.base_url, api_key="none")
        journal = SQLiteJournal(Path(folder) / "journal.db")
        await one_session(backend, shelf, tools, journal)
        sys.setprofile(profile)
        try:
            await one_session(backend, shelf, tools, journal)
        finally:
            sys.setprofile(None)
        await backend.aclose()
        journal.close()
    return {part: number / (calls + 1) for part, number in count.most_common()}


async def run(count: int | None, beside: bool) -> dict[str, Any]:
    """All measurements as one document, or so many rows of the table."""
    cells = [(1, 6, 0.0), (1, 41, 0.0), (100, 6, 0.0), (1000, 6, 0.0), (1, 6, 0.05), (100, 6, 0.05)]
    cells = [*cells, (1000, 6, 0.05), (300, 6, 1.0)][:count]
    rows = []
    for n, cell in enumerate(cells):
        print(f"{n} of {len(cells)} rows", file=sys.stderr)
        rows.append(await compare(*cell, beside))

    def session_cpu(*cell: float) -> float:
        (row,) = (row for row in rows if (row["sessions"], row["calls"], row["delay_ms"]) == cell)
        return float(row["session_cpu_ms"])

    if count is not None:
        return {"rows": rows}
    return {
        "rows": rows,
        "function_calls_by_part": {"6 calls": await calls_by_part(6), "41 calls": await calls_by_part(41)},
        "function_calls_per_step": {"6 calls": await function_calls(6), "41 calls": await function_calls(41)},
        "history_ratio_41_to_6": session_cpu(1, 41, 0.0) / session_cpu(1, 6, 0.0),
        "ratio_1000_to_100": await concurrency(),
    }


_COLUMNS = {
    "post, ms": "post_cpu_ms",
    "hand-written, ms": "hand_cpu_ms",
    "on aiohttp, ms": "hand_aiohttp_cpu_ms",
    "pydantic-ai, ms": "pydantic_ai_cpu_ms",
    "openai-agents, ms": "openai_agents_cpu_ms",
    "langchain, ms": "langchain_cpu_ms",
    "lean, ms": "session_cpu_ms",
    "of hand-written": "cpu_ratio",
    "of post": "post_ratio",
    "wall gain": "wall_gain",
    "default, ms": "default_cpu_ms",
    "default of hand-written": "default_cpu_ratio",
    "default wall gain": "default_wall_gain",
}
"""The table's lines, by what they show of a row."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.add_argument("--frameworks", action="store_true", help="agents of three frameworks, too")
    parser.add_argument("--rows", type=int, help="the first rows of the table, and nothing else")
    arguments = parser.parse_args()
    found = asyncio.run(run(arguments.rows, arguments.frameworks))
    if arguments.json:
        print(json.dumps(found, indent=2))
        return
    rows = found["rows"]
    heads = [f"{row['sessions']} x {row['calls']}\n{row['delay_ms']:g} ms" for row in rows]
    table = Table("sessions x calls\nlatency", *heads)
    for column, name in _COLUMNS.items():
        if any(name in row for row in rows):
            table.add_row(column, *(f"{row[name]:.2f}" if name in row else "" for row in rows))
    console = Console()
    console.print(table)
    for name in (
        "function_calls_by_part",
        "function_calls_per_step",
        "history_ratio_41_to_6",
        "ratio_1000_to_100",
    ):
        if name in found:
            console.print(f"{name}: {found[name]}")


if __name__ == "__main__":
    main()
