"""A server whose template takes one call a turn: a history with several goes on, nothing is paid twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers.fault_server import Reply, Seen, answer, error, serving
from helpers.sessions import served

from artis_sdk import Direct, guarded_tool
from artis_sdk.backends.hosted.turns import a_turn_for_each_call
from artis_sdk.backends.openai import OpenAIBackend
from artis_sdk.errors import RequestRejected
from artis_sdk.records import Message, Request, ToolCall

REFUSAL = "This model only supports single tool-calls at once!"  # Llama 3's template, told by vLLM (25108)


def turn(*names: str) -> tuple[Message, ...]:
    calls = tuple([ToolCall(id=f"call_{n}", tool=name) for n, name in enumerate(names)])
    results = [Message(role="tool", tool_call_id=call.id, content=f"{call.tool} done") for call in calls]
    return Message(role="assistant", content="I go.", tool_calls=calls), *results


def test_ids_that_a_server_uses_again_are_no_matter() -> None:
    history = (Message(role="user", content="Go."), *turn("a", "b"), *turn("c", "d", "e"), *turn("f"))
    messages = a_turn_for_each_call(Request(messages=history)).messages
    assert [message.tool_calls[0].tool for message in messages if message.tool_calls] == list("abcdef")
    results = [message.content for message in messages if message.role == "tool"]
    assert results == [f"{name} done" for name in "abcdef"]
    assert [message.content for message in messages if message.tool_calls].count("I go.") == 3
    assert [message.role for message in messages[1:]] == ["assistant", "tool"] * 6


def test_a_history_without_such_turns_is_the_same_object() -> None:
    request = Request(messages=(Message(role="user", content="Go."), *turn("a"), *turn("b")))
    assert a_turn_for_each_call(request) is request


def strict(seen: Seen) -> Reply:
    """A server of Llama 3: two payments, then an answer."""
    messages: list[dict[str, Any]] = seen.json["messages"]
    if any(len(message.get("tool_calls") or ()) > 1 for message in messages):
        return error(seen, 400, REFUSAL)
    paid = [message for message in messages if message["role"] == "tool"]
    if paid:
        return answer(seen, f"Paid {len(paid)} times.")
    return answer(seen, None, [(f"c{n}", "pay", {"amount": n}) for n in (1, 2)])


async def test_a_commit_goes_on_after_two_real_calls_in_a_turn(tmp_path: Path) -> None:
    paid: list[int] = []

    @guarded_tool
    def pay(amount: int) -> str:
        """Pay."""
        paid.append(amount)
        return "paid"

    asked: list[Seen] = []

    def model(seen: Seen) -> Reply:
        asked.append(seen)
        return strict(seen)

    async with served(model, [pay], tmp_path / "journal.db", strategy=Direct()) as session:
        first = await session.run("Pay 1 and 2.")
        sent = len(asked)
        await session.run("And how often did you pay?")  # the history goes with it
    assert first.answer == "Paid 2 times."
    assert paid == [1, 2]
    assert (sent, len(asked)) == (3, 4)  # refused once, and known from then on


async def test_another_refusal_is_one() -> None:
    async with serving(lambda seen: error(seen, 400, "no such model")) as server:
        backend = OpenAIBackend("m", base_url=server.base_url, api_key="x")
        with pytest.raises(RequestRejected, match="no such model"):
            await backend.complete(Request(messages=(Message(role="user", content="Go."), *turn("a", "b"))))
        await backend.aclose()
    assert len(server.requests) == 1
