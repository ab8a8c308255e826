"""Calls that a server left in the content, on the wire: made, or told to the agent, and never its answer."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.family_answers import FAMILIES, OBJECT
from helpers.fault_server import Reply, Seen, answer, serving, streamed
from helpers.sessions import served

from artis_sdk import Direct, Parallel, SandboxSimulator, guarded_tool
from artis_sdk.backends.anthropic import AnthropicBackend
from artis_sdk.backends.hosted.base import HostedBackend
from artis_sdk.backends.openai import OpenAIBackend
from artis_sdk.records import Completion, Message, Request, ToolSpec

PAY = ToolSpec(
    name="pay",
    parameters={"type": "object", "properties": {"to": {"type": "string"}, "amount": {"type": "number"}}},
)
REQUEST = Request(messages=(Message(role="user", content="Pay Bob."),), tools=(PAY,))


async def completed(
    reply: Reply, request: Request = REQUEST, *, anthropic: bool = False, stream: bool = False
) -> Completion:
    async with serving([reply]) as server:
        backend: HostedBackend = (
            AnthropicBackend("m", base_url=server.root_url, api_key="x")
            if anthropic
            else OpenAIBackend("m", base_url=server.base_url, api_key="x")
        )
        try:
            return await backend.complete(request, on_token=(lambda text: None) if stream else None)
        finally:
            await backend.aclose()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("anthropic", [False, True])
@pytest.mark.parametrize("text", [FAMILIES["qwen3-coder (vllm 21571)"], FAMILIES["deepseek v4"], OBJECT])
async def test_a_call_in_the_content_is_read(text: str, anthropic: bool, stream: bool) -> None:
    reply = streamed(answer(anthropic, text)) if stream else answer(anthropic, text)
    completion = await completed(reply, anthropic=anthropic, stream=stream)
    assert [(call.tool, call.arguments) for call in completion.tool_calls] == [
        ("pay", {"to": "bob", "amount": 5})
    ]
    assert completion.finish_reason == "tool_calls"
    assert completion.text == ""


async def test_without_tools_nothing_is_read() -> None:
    no_tools = Request(messages=REQUEST.messages)
    assert (await completed(answer(False, OBJECT), no_tools)).text == OBJECT
    chosen = Request(messages=REQUEST.messages, tools=(PAY,), tool_choice="none")
    assert (await completed(answer(False, OBJECT), chosen)).text == OBJECT


@pytest.mark.parametrize(
    "text",
    [
        '<tool_call>{"name":"delete_logs","older_than_days":30}</tool_call>',
        '{"name":"delete_logs","arguments":{"older_than_days":5,"older_than_days":500}}',
        'I delete: {"name":"delete_logs","arguments":{"older_than_days":5}} and then I am done.',
        "<tool_call>delete_logs<arg_key>older_than_days</arg_key>30</arg_value></tool_call>",
    ],
)
async def test_what_cannot_be_read_is_told_to_the_agent_and_nothing_runs(text: str, tmp_path: Path) -> None:
    deleted: list[int] = []

    @guarded_tool
    def delete_logs(older_than_days: int = 0) -> str:
        """Delete logs."""
        deleted.append(older_than_days)
        return "deleted"

    def model(seen: Seen) -> Reply:
        told = [message for message in seen.json["messages"] if message["role"] == "tool"]
        return answer(seen, "I give up." if told else text)

    async with served(model, [delete_logs], tmp_path / "journal.db", strategy=Direct()) as session:
        result = await session.run("Delete old logs.")
    assert deleted == []
    (step,) = [message for message in result.messages if message.role == "tool"]
    assert "could not be read" in step.content
    assert result.answer == "I give up."
    assert "1 call was not made, because what was written is not certain" in result.notes


async def test_a_plan_counts_what_could_not_be_read(tmp_path: Path) -> None:
    @guarded_tool
    def delete_logs(older_than_days: int = 0) -> str:
        """Delete logs."""
        raise AssertionError("nothing is real here")

    unread = '{"name":"delete_logs","older_than_days":30}'

    def model(seen: Seen) -> Reply:
        if "tools" not in seen.json:
            return answer(seen, "{}")
        turns = sum(message["role"] == "tool" for message in seen.json["messages"])
        return answer(seen, "I give up." if turns == 2 else unread)

    sandbox, journal = SandboxSimulator(), tmp_path / "journal.db"
    async with served(model, [delete_logs], journal, simulator=sandbox, strategy=Parallel(2)) as session:
        plan = await session.rehearse("Delete old logs.")
    for index in range(2):
        count = "2 calls were not made, because what was written is not certain"
        assert f"attempt {index + 1}: {count}" in plan.notes
