"""Answers that are none, as servers send them, and a payment that they are about."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

from helpers.fault_server import Reply, error, serving
from helpers.sessions import unjudged
from helpers.wire_answers import called, chat, in_order, message, used

from artis_sdk import Direct, guarded_tool
from artis_sdk.backends.anthropic import AnthropicBackend
from artis_sdk.backends.hosted.retry import RetryPolicy
from artis_sdk.backends.openai import OpenAIBackend
from artis_sdk.records import (
    Ending,
    Result,
)

Make = Callable[..., Any]
QUICK = RetryPolicy(first=0.01, cap=0.02, total=5.0)

PAY = called(("c1", "pay", '{"owner": "bob", "amount": 5}'))
PAY_BLOCK = [used("c1", "pay", {"owner": "bob", "amount": 5})]


class Paid:
    """A tool that pays for real, and what it paid."""

    def __init__(self) -> None:
        self.payments: list[tuple[str, int]] = []

        @guarded_tool
        def pay(owner: str = "ann", amount: int = 1) -> str:
            """Pay somebody."""
            self.payments.append((owner, amount))
            return f"paid {amount}"

        self.tool = pay


async def committed(
    make: Make, replies: list[Reply], tmp_path: Path, **more: Any
) -> tuple[Result, Paid, int]:
    """A commit without a rehearsal; its result, what was paid, and the number of requests."""
    paid = Paid()
    async with serving(in_order(replies)) as server:
        backend = make("m", base_url=server.base_url, retry=QUICK, timeout=5.0)
        session = unjudged(backend, [paid.tool], tmp_path / "j.db", strategy=Direct(), **more)
        async with aclosing(backend), session:
            result = await session.run("Pay Bob 5.")
        return result, paid, len(server.requests)


CALL_TEXT = '<tool_call>\n{"name": "pay", "arguments": {"owner": "bob", "amount": 5}}\n</tool_call>'
BARE = '{"name": "pay", "arguments": {"owner": "bob", "amount": 5}}'

ODD: dict[str, tuple[Make, Reply, Ending, int]] = {
    # vllm 53255
    "tool_calls without calls": (
        OpenAIBackend,
        chat({"content": None, "tool_calls": []}, "tool_calls"),
        "unread_call",
        2,
    ),
    # agentscope-java 2750
    "thoughts alone": (
        OpenAIBackend,
        chat({"content": "", "reasoning_content": "I should pay."}),
        "empty",
        2,
    ),
    "null": (OpenAIBackend, chat({"content": None}), "empty", 2),
    "blanks": (OpenAIBackend, chat({"content": " \n"}), "empty", 2),
    "a thought that stays open": (OpenAIBackend, chat({"content": "<think>Bob is owed 5."}), "empty", 2),
    # inspect_ai 5143
    "cut": (OpenAIBackend, chat({"content": "I have paid Bob"}, "length"), "cut", 1),
    # pydantic-ai 5221
    "filtered": (OpenAIBackend, chat({"content": "I"}, "content_filter"), "filtered", 1),
    "refused": (OpenAIBackend, chat({"content": None, "refusal": "No."}), "declined", 1),
    "Azure's filter of the prompt": (
        OpenAIBackend,
        error(False, 400, "The response was filtered", code="content_filter"),
        "filtered",
        1,
    ),
    "Gemini's malformed call": (
        OpenAIBackend,
        chat({"content": None}, "MALFORMED_FUNCTION_CALL"),
        "unread_call",
        2,
    ),
    # mastra 14187
    "tool_use without a call": (AnthropicBackend, message([], "tool_use"), "unread_call", 2),
    "no blocks": (AnthropicBackend, message([]), "empty", 2),
    "null blocks": (AnthropicBackend, message(None), "empty", 2),
    "thinking alone": (
        AnthropicBackend,
        message([{"type": "thinking", "thinking": "hm", "signature": "s"}]),
        "empty",
        2,
    ),
    "Anthropic cut": (AnthropicBackend, message([{"type": "text", "text": "I"}], "max_tokens"), "cut", 1),
    "Anthropic declines": (AnthropicBackend, message([], "refusal"), "declined", 1),
    "Anthropic declines in a call": (AnthropicBackend, message(PAY_BLOCK, "refusal"), "declined", 1),
}
