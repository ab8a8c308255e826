"""The law of many tasks at once: whatever overlaps and whatever is cancelled, each call is made once, is in
the journal, and is of its own task."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections import Counter
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NamedTuple

from helpers.sessions import unjudged
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from artis_sdk import Parallel, Risk, Session, Toolset, guarded_tool
from artis_sdk.backends import ScriptedBackend
from artis_sdk.commit.journal import CallState, SQLiteJournal
from artis_sdk.contracts import Simulator
from artis_sdk.records import History, Outcome, Plan, Provenance, Request, Result, State, ToolCall

MADE = list[tuple[str, int]]()
"""What `send` was really given."""
CUT = dict[tuple[str, int], asyncio.Task[None]]()
"""Tasks that are cancelled in the body of a call."""
MARK: ContextVar[str] = ContextVar("mark")


async def steps(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


@guarded_tool
async def send(mark: str, n: int) -> str:
    """Send."""
    MADE.append((mark, n))
    if (mark, n) in CUT:
        CUT[mark, n].cancel()
    await steps(n)
    return f"sent {mark} {n}"


@guarded_tool(risk=Risk.READ_ONLY)
def look(mark: str) -> str:
    """Look."""
    return f"seen {mark}"


TOOLS = Toolset(send, look)


class Predicts(Simulator):
    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        assert state == {"mark": call.arguments["mark"]}
        await steps(2)
        did = look.__wrapped__ if call.tool == "look" else "sent {mark} {n}".format  # type: ignore[attr-defined]
        return Outcome.success(did(**call.arguments), Provenance.SIMULATED)


def state() -> State:
    return {"mark": MARK.get()}


def marks(text: str) -> set[str]:
    return set(re.findall(r"mark-\d+-\d+", text))


async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
    assert guidance is None or marks(guidance) <= marks(task)
    (mark,) = marks(task)
    tools["look"](mark=mark)
    for n in (1, 2):
        await tools["send"](mark=mark, n=n)
    return f"did {mark}"


def model(request: Request) -> Any:
    """The same as `agent`; it is asked for the last turn."""
    asked = max(n for n, message in enumerate(request.messages) if message.role == "user")
    (mark,) = marks(request.messages[asked].content)
    done = sum(message.role == "tool" for message in request.messages[asked:])
    if done == 0:
        return ToolCall(tool="look", arguments={"mark": mark})
    return ToolCall(tool="send", arguments={"mark": mark, "n": done}) if done < 3 else f"did {mark}"


class Work(NamedTuple):
    """A task, and what becomes of it."""

    session: int
    commits: int
    """How often its plan is committed, side by side."""
    cancelled: int | None
    """After how many turns of the event loop."""
    cut: int
    """In the body of which of its real calls it is cancelled, 1 or 2; 0 for none."""


WORK = st.builds(
    Work, st.integers(0, 1), st.integers(0, 2), st.one_of(st.none(), st.integers(0, 250)), st.integers(0, 2)
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(works=st.lists(WORK, min_size=1, max_size=7), own=st.booleans())
def test_each_call_is_made_once_is_journaled_and_is_of_its_task(works: list[Work], own: bool) -> None:
    MADE.clear()
    CUT.clear()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_played(works, own, Path(folder) / "j.db"))


async def _played(works: list[Work], own: bool, path: Path) -> None:
    backend, journal = ScriptedBackend(model), SQLiteJournal(path)
    told: list[list[BaseModel]] = [[], []]
    plans = dict[str, Plan]()
    results = list[Result]()

    async def one(session: Session, mark: str, work: Work) -> None:
        MARK.set(mark)
        plans[mark] = plan = await session.rehearse(f"Do {mark}.")
        assert not [made for made in MADE if made[0] == mark], "a rehearsal makes no call"
        found = [session.commit(plan) for _ in range(work.commits)]
        done = await asyncio.gather(*found, return_exceptions=True)
        results.extend(result for result in done if isinstance(result, Result))

    async def cut(task: asyncio.Task[None], after: int | None) -> None:
        if after is not None:
            await steps(after)
            task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    options: dict[str, Any] = {"simulator": Predicts(), "strategy": Parallel(2), "state": state}
    first, second = (
        unjudged(agent if own else backend, TOOLS, journal, on_event=events.append, **options)
        for events in told
    )
    async with first, second:
        sessions = (first, second)
        tasks = [
            (asyncio.create_task(one(sessions[work.session], f"mark-{work.session}-{n}", work)), work)
            for n, work in enumerate(works)
        ]
        CUT.update({(f"mark-{work.session}-{n}", work.cut): task for n, (task, work) in enumerate(tasks)})
        await asyncio.gather(*(cut(task, work.cancelled) for task, work in tasks))
    calls = [call for call in journal.calls() if call.tool == "send"]
    await journal.aclose()
    made = Counter(
        (call.arguments["mark"], call.arguments["n"])
        for call in calls
        if call.state is not CallState.NOT_EXECUTED
    )
    assert set(Counter(MADE).values()) <= {1}
    assert made == Counter(MADE)
    for call in calls:
        assert call.plan == plans[str(call.arguments["mark"])].id
    for result in results:
        (mark,) = marks(result.plan.task.query)
        assert [one.call.arguments for one in result.calls if one.call.tool == "send"] == [
            {"mark": mark, "n": n} for n in (1, 2)
        ]
        assert result.answer == f"did {mark}"
    for mark, plan in plans.items():
        own_words = plan.model_copy(update={"task": plan.task.model_copy(update={"conversation": ()})})
        assert marks(own_words.model_dump_json()) == {mark}
    for n, events in enumerate(told):
        seen = set[str]().union(*(marks(event.model_dump_json()) for event in events))
        assert {mark.split("-")[1] for mark in seen} <= {str(n)}, "no event of the other session"
