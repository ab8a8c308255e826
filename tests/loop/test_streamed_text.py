"""The models' texts, as they are written."""

from __future__ import annotations

from collections import defaultdict
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from helpers.fault_server import agent, serving
from helpers.sessions import unjudged

from artis_sdk import (
    FirewallError,
    Parallel,
    Risk,
    Sequential,
    Session,
    ToolCall,
    UnknownOutcome,
    guarded_tool,
    resolve,
)
from artis_sdk.backends import ScriptedBackend
from artis_sdk.loop.streamed import TextPiece
from artis_sdk.records import Capabilities, Request, Role

REAL: list[int] = []
PREDICTED = '{"outputs": [{"ok": true, "value": "charged 80"}]}'


@guarded_tool(risk=Risk.IRREVERSIBLE)
def charge(amount: int) -> str:
    """Charge an amount."""
    REAL.append(amount)
    return f"charged {amount}"


@pytest.fixture(autouse=True)
def nothing_charged() -> None:
    REAL.clear()


def answers(request: Request) -> Any:
    if not request.tools:
        return "<Evaluation>it was charged</Evaluation><Result>1</Result><Suggestion>None</Suggestion>"
    if request.messages[-1].role == "tool":
        return "It is charged, with the key hunter2-and-more."
    return ToolCall(tool="charge", arguments={"amount": 80})


async def test_every_role_is_told_as_it_is_written(tmp_path: Path) -> None:
    pieces: list[TextPiece] = []
    backend = ScriptedBackend(answers)
    session = Session(
        agent=backend,
        tools=[charge],
        simulator=ScriptedBackend(lambda request: PREDICTED),
        strategy=Parallel(3),
        summarize=False,
        style="paper",
        journal=tmp_path / "j.db",
        on_text=pieces.append,
    )
    async with session:
        plan = await session.rehearse("Charge 80.")
        rehearsed = len(pieces)
        result = await session.commit(plan)
    assert REAL == [80]
    texts: dict[tuple[Role, int | None, int], str] = defaultdict(str)
    for piece in pieces:
        texts[piece.role, piece.attempt, piece.request] += piece.text
    assert {role for role, _, _ in texts} >= {Role.ACTION, Role.SIMULATION, Role.EVALUATION}
    written = {index: [] for index in range(3)}  # type: dict[int, list[str]]
    for (role, attempt, _), text in sorted(texts.items(), key=lambda item: item[0][2]):
        if role is Role.ACTION and attempt is not None:
            written[attempt].append(text)
    assert [attempt.answer for attempt in plan.attempts] == [written[n][-1] for n in range(3)]
    committed = "".join(piece.text for piece in pieces[rehearsed:] if piece.role is Role.ACTION)
    assert committed == result.answer
    assert all(piece.attempt is None for piece in pieces[rehearsed:])
    assert len(pieces) > 3 * len(texts), "texts come in pieces"


async def test_without_a_listener_nobody_streams(tmp_path: Path) -> None:
    streamed: list[bool] = []

    class Asked(ScriptedBackend):
        async def complete(self, request: Request, *, on_token: Any = None) -> Any:
            streamed.append(on_token is not None)
            return await super().complete(request, on_token=on_token)

    async with unjudged(Asked(answers), [charge], tmp_path / "j.db", simulator=Simulated()) as session:
        await session.run("Charge 80.")
    assert streamed
    assert not any(streamed)


class Simulated(ScriptedBackend):
    """A simulator's model that cannot stream."""

    def __init__(self) -> None:
        super().__init__(lambda request: PREDICTED, capabilities=Capabilities(streaming=False))


async def test_a_server_streams_to_the_session(tmp_path: Path) -> None:
    pieces: list[TextPiece] = []
    async with (
        serving(agent(0, "charge", {}, said="All is well, and it was not charged.")) as server,
        aclosing(resolve("openai:scripted", base_url=server.base_url, api_key="none")) as backend,
        unjudged(
            backend,
            [charge],
            tmp_path / "j.db",
            simulator=Simulated(),
            strategy=Sequential(1),
            on_text=pieces.append,
        ) as session,
    ):
        plan = await session.rehearse("Is all well?")
    assert "".join(piece.text for piece in pieces) == plan.attempts[0].answer
    assert len(pieces) > 1


async def test_a_listener_that_calls_a_tool_is_refused_and_its_rehearsal_with_it(tmp_path: Path) -> None:
    refused: list[str] = []

    def calls(piece: TextPiece) -> None:
        with pytest.raises(FirewallError):
            charge(1)
        refused.append(piece.text)

    async with unjudged(
        ScriptedBackend(answers), [charge], tmp_path / "j.db", simulator=Simulated(), on_text=calls
    ) as session:
        plan = await session.rehearse("Charge 80.")
        assert plan.attempts[0].ended == "refused"
        with pytest.raises(UnknownOutcome, match="a call was refused"):
            await session.commit(plan)
    assert refused
    assert REAL == [80]


async def test_what_a_listener_raises_ends_the_run(tmp_path: Path) -> None:
    def broken(piece: TextPiece) -> None:
        raise RuntimeError("no screen")

    async with unjudged(
        ScriptedBackend(answers), [charge], tmp_path / "j.db", simulator=Simulated(), on_text=broken
    ) as session:
        with pytest.raises(RuntimeError, match="no screen"):
            await session.rehearse("Charge 80.")
