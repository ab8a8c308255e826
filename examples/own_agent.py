"""A hand-written agent loop: a model's turns, one after the other, and guarded functions as its tools.

The model is a function here, so that the program runs offline; put your client in its place.
Run it with `python examples/own_agent.py`.
"""

import asyncio
import json
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from artis_sdk import Risk, SandboxSimulator, Sequential, Session, Toolset, guarded_tool


class Calendar:
    def __init__(self) -> None:
        self.rooms = {"blue": ["09:00"], "green": []}

    @guarded_tool(risk=Risk.READ_ONLY)
    def taken(self, room: str) -> list[str]:
        """Hours at which a room is taken."""
        return self.rooms[room]

    @guarded_tool(risk=Risk.REVERSIBLE, failures=ValueError)
    def book(self, room: str, hour: str) -> str:
        """Book a room for an hour."""
        if hour in self.rooms[room]:
            raise ValueError(f"{room} is taken at {hour}")
        self.rooms[room].append(hour)
        return f"{room} at {hour}"


def model(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """The next turn. It tries the blue room first, unless it was told that this fails."""
    refused = any("is taken" in message["content"] for message in messages)
    if messages[-1]["role"] == "tool" and "is taken" not in messages[-1]["content"]:
        return {"answer": f"Booked {messages[-1]['content']}."}
    return {"call": "book", "arguments": {"room": "green" if refused else "blue", "hour": "09:00"}}


async def agent(task: str, *, tools: Toolset, guidance: str | None) -> str:
    """Your loop, unchanged: artis decides where the calls go, and `guidance` is one more message."""
    messages = [{"role": "user", "content": task}]
    if guidance:
        messages.insert(0, {"role": "system", "content": guidance})
    for _ in range(5):
        turn = model(messages)
        if "answer" in turn:
            return str(turn["answer"])
        try:
            returned = json.dumps(tools[turn["call"]](**turn["arguments"]))
        except ValueError as error:
            returned = str(error)
        messages.append({"role": "tool", "content": returned})
    return "I gave up."


async def main() -> None:
    calendar = Calendar()
    async with Session(
        agent=agent, tools=Toolset.from_object(calendar), simulator=SandboxSimulator(),
        strategy=Sequential(2), evaluate=False, summarize=False,
        journal=Path(mkdtemp()) / "journal.db",
    ) as session:  # fmt: skip
        plan = await session.rehearse("A room at nine, please.")
        for attempt in plan.attempts:
            print(attempt)
        print("rehearsed; the calendar is", calendar.rooms)
        result = await session.commit(plan)
        print(result.answer, "The calendar is", calendar.rooms)


asyncio.run(main())
