"""Streams of servers that number, name and identify the pieces of calls in their own ways."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

import pytest
from helpers.fault_server import Reply, serving
from helpers.wire_answers import deltas, events, in_order, sse

from artis_sdk.backends.anthropic import AnthropicBackend
from artis_sdk.backends.openai import OpenAIBackend
from artis_sdk.records import Completion, Message, Request

HELLO = Request(messages=(Message(role="user", content="hello"),))


async def streamed(make: Any, reply: Reply) -> Completion:
    async with serving(in_order([reply])) as server:
        backend = make("m", base_url=server.base_url)
        async with aclosing(backend):
            completion: Completion = await backend.complete(HELLO, on_token=lambda text: None)
            return completion


def calls(*pieces: dict[str, Any]) -> dict[str, Any]:
    return {"tool_calls": list(pieces)}


def piece(name: str | None = None, arguments: Any = None, **more: Any) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {**more, "function": {key: value for key, value in function.items() if value is not None}}


A, B = {"amount": 5}, {"amount": 6}
Read = tuple[str, dict[str, Any], str | None]
PAY: Read = ("pay", A, None)
LIST: Read = ("list_accounts", {}, None)
UNCLEAR = "the stream does not say which call its arguments belong to"

STREAMS: dict[str, tuple[list[dict[str, Any]], list[Read]]] = {
    "as OpenAI": (
        [
            calls(piece("pay", "", index=0, id="a")),
            calls(piece(None, '{"amount"', index=0)),
            calls(piece(None, ": 5}", index=0)),
            calls(piece("list_accounts", "", index=1, id="b")),
        ],
        [PAY, LIST],
    ),
    # ollama 15457, litellm 33678
    "several tools on one index": (
        [
            calls(piece("pay", '{"amount": 5}', index=0, id="a")),
            calls(piece("list_accounts", "", index=0, id="b")),
        ],
        [PAY, LIST],
    ),
    "several tools on one index, in one piece": (
        [
            calls(
                piece("pay", '{"amount": 5}', index=0, id="a"), piece("pay", '{"amount": 6}', index=0, id="b")
            )
        ],
        [PAY, ("pay", B, None)],
    ),
    "several tools on one index, in pieces": (
        [
            calls(piece("pay", "", index=0, id="a")),
            calls(piece(None, '{"amount": ', index=0)),
            calls(piece(None, "5}", index=0)),
            calls(piece("list_accounts", "", index=0, id="b")),
            calls(piece(None, "{}", index=0)),
        ],
        [PAY, LIST],
    ),
    "several tools on one index without ids": (
        [calls(piece("pay", '{"amount": 5}', index=0)), calls(piece("list_accounts", "{}", index=0))],
        [PAY, LIST],
    ),
    "one tool twice on one index without ids": (
        [calls(piece("pay", '{"amount": 5}', index=0)), calls(piece("pay", '{"amount": 6}', index=0))],
        [PAY, ("pay", B, None)],
    ),
    "no arguments on one index without ids": (
        [calls(piece("pay", "", index=0)), calls(piece("list_accounts", '{"amount": 5}', index=0))],
        [("pay", {}, UNCLEAR), ("list_accounts", A, None)],
    ),
    "begun twice": (
        [calls(piece("pay", "", index=0, id="a")), calls(piece("pay", '{"amount": 5}', index=0, id="b"))],
        [("pay", {}, UNCLEAR), PAY],
    ),
    # open-webui computer 224
    "no index": (
        [
            calls(piece("pay", "", id="a")),
            calls(piece(None, '{"amount": ')),
            calls(piece(None, "5}")),
            calls(piece("list_accounts", "", id="b")),
            calls(piece(None, "{}")),
        ],
        [PAY, LIST],
    ),
    "no index, the id in each piece": (
        [
            calls(piece("pay", '{"amount"', id="a")),
            calls(piece("list_accounts", "{", id="b")),
            calls(piece(None, ": 5}", id="a")),
            calls(piece(None, "}", id="b")),
        ],
        [PAY, LIST],
    ),
    "no index and no id": (
        [calls(piece("pay", '{"amount": 5}'), piece("pay", '{"amount": 6}'))],
        [PAY, ("pay", B, None)],
    ),
    "index null": (
        [
            calls(piece("pay", '{"amount": 5}', index=None, id="a")),
            calls(piece("list_accounts", "", index=None)),
        ],
        [PAY, LIST],
    ),
    "another id in each piece": (
        [
            calls(piece("pay", '{"amount"', index=0, id="a")),
            calls(piece(None, ": 5}", index=0, id="b")),
        ],
        [PAY],
    ),
    "id and name again in each piece": (
        [
            calls(piece("pay", '{"amount"', index=0, id="a")),
            calls(piece("pay", ": 5}", index=0, id="a")),
        ],
        [PAY],
    ),
    "the name again in each piece": (
        [calls(piece("pay", '{"amount"', index=0)), calls(piece("pay", ": 5}", index=0))],
        [PAY],
    ),
    "the id after the name": (
        [calls(piece("pay", '{"amount"', index=0)), calls(piece(None, ": 5}", index=0, id="a"))],
        [PAY],
    ),
    "an empty id later": (
        [calls(piece("pay", '{"amount"', index=0, id="a")), calls(piece("", ": 5}", index=0, id=""))],
        [PAY],
    ),
    "the second index first": (
        [
            calls(piece("list_accounts", "{}", index=1, id="b")),
            calls(piece("pay", '{"amount": 5}', index=0, id="a")),
        ],
        [PAY, LIST],
    ),
    "one id for two": (
        [
            calls(piece("pay", '{"amount": 5}', index=0, id="a")),
            calls(piece("list_accounts", "{}", index=1, id="a")),
        ],
        [PAY, LIST],
    ),
    # maka 1976
    "one tool twice on one index": (
        [
            calls(piece("pay", '{"amount": 5}', index=0, id="a")),
            calls(piece("pay", '{"amount": 6}', index=0, id="b")),
        ],
        [PAY, ("pay", B, None)],
    ),
    # agno 8879
    "the head on one index, the tail on the next": (
        [
            calls(piece("list_accounts", "{}", index=0, id="a")),
            calls(piece("pay", '{"amou', index=0, id="b")),
            calls(piece(None, 'nt": 5}', index=1)),
        ],
        [LIST, PAY],
    ),
    # AstrBot 9593
    "numbered from 1": (
        [
            calls(piece("pay", "", index=1, id="a")),
            calls(piece(None, '{"amount": 5}', index=1)),
            calls(piece("list_accounts", "{}", index=2, id="b")),
        ],
        [PAY, LIST],
    ),
    # agentscope-java 1216
    "the name again at the end, without an id": (
        [
            calls(piece("pay", '{"amount": 5', index=0, id="a")),
            calls(piece("pay", "}", index=0, id=None)),
        ],
        [PAY],
    ),
    # ollama 7881
    "whole calls without an index": (
        [calls(piece("pay", '{"amount": 5}', id="a")), calls(piece("pay", '{"amount": 6}', id="b"))],
        [PAY, ("pay", B, None)],
    ),
    # opencodex 361
    "the arguments twice": (
        [
            calls(piece("pay", "", index=0, id="a")),
            calls(piece(None, '{"amount": 5}', index=0)),
            calls(piece(None, '{"amount": 5}', index=0)),
        ],
        [("pay", {}, "the arguments are not JSON: Extra data: line 1 column 14 (char 13)")],
    ),
    "arguments as an object": ([calls(piece("pay", {"amount": 5}, index=0, id="a"))], [PAY]),
    "the old function_call": (
        [
            {"function_call": {"name": "pay", "arguments": ""}},
            {"function_call": {"arguments": '{"amount": 5}'}},
        ],
        [PAY],
    ),
    "a dict": ([{"tool_calls": piece("pay", '{"amount": 5}', index=0, id="a")}], [PAY]),
}


@pytest.mark.parametrize("case", STREAMS)
async def test_pieces_of_calls(case: str) -> None:
    pieces, expected = STREAMS[case]
    completion = await streamed(OpenAIBackend, deltas(*pieces))
    assert [(call.tool, call.arguments, call.malformed) for call in completion.tool_calls] == expected
    assert len({call.id for call in completion.tool_calls}) == len(expected)
    assert completion.finish_reason == "tool_calls"


async def test_what_stands_beside_the_text() -> None:
    reply = deltas(
        {"role": "assistant", "content": None, "reasoning_content": "I "},
        {"reasoning_content": "pay.", "reasoning_details": [{"type": "t", "index": 0, "text": "I "}]},
        {"reasoning_details": [{"type": "t", "index": 0, "text": "pay."}]},
        {"reasoning_details": [{"type": "t", "index": 0, "signature": "s=="}]},
        {"reasoning_details": [{"type": "e", "index": 1, "data": "x"}]},
        {"content": [{"type": "text", "text": "Well, "}]},
        {"content": "so."},
        calls(piece("pay", "{}", index=0, id="a", extra_content={"google": {"thought_signature": "g"}})),
    )
    completion = await streamed(OpenAIBackend, reply)
    assert completion.text == "Well, so."
    said = Message(
        role="assistant",
        content=completion.text,
        tool_calls=completion.tool_calls,
        raw=completion.raw,
        origin="openai:m",
    )
    from helpers.backends import OPENAI, body

    sent = body(OPENAI, said)["messages"][0]
    assert sent["reasoning_content"] == "I pay."
    assert sent["reasoning_details"] == [
        {"type": "t", "index": 0, "text": "I pay.", "signature": "s=="},
        {"type": "e", "index": 1, "data": "x"},
    ]
    assert sent["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": "g"}}


async def test_only_the_first_choice_is_taken() -> None:
    reply = sse(
        {"choices": [{"index": 0, "delta": {"content": "a"}}, {"index": 1, "delta": {"content": "b"}}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    )
    assert (await streamed(OpenAIBackend, reply)).text == "a"


async def test_a_whole_message_at_the_end_of_a_stream() -> None:
    reply = sse({"choices": [{"index": 0, "message": {"content": "all"}, "finish_reason": "stop"}]})
    assert (await streamed(OpenAIBackend, reply)).text == "all"


# --- Anthropic --------------------------------------------------------------------------------

BEGIN = {"type": "message_start", "message": {"content": [], "usage": {"input_tokens": 1}}}
END = (
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 2}},
    {"type": "message_stop"},
)


def start(name: str, id: str, given: Any = None, **more: Any) -> dict[str, Any]:
    block = {"type": "tool_use", "id": id, "name": name, "input": given or {}}
    return {"type": "content_block_start", "content_block": block, **more}


def delta(text: Any, **more: Any) -> dict[str, Any]:
    return {
        "type": "content_block_delta",
        "delta": {"type": "input_json_delta", "partial_json": text},
        **more,
    }


ANTHROPIC_STREAMS: dict[str, list[dict[str, Any]]] = {
    "as Anthropic": [
        start("pay", "a", index=0),
        delta("", index=0),
        delta('{"amount"', index=0),
        delta(": 5}", index=0),
        start("list_accounts", "b", index=1),
    ],
    "one index for all": [
        start("pay", "a", index=0),
        delta('{"amount": 5}', index=0),
        start("list_accounts", "b", index=0),
        delta("{}", index=0),
    ],
    "no index": [start("pay", "a"), delta('{"amount": 5}'), start("list_accounts", "b")],
    "the input at the start": [start("pay", "a", A, index=0), start("list_accounts", "b", index=1)],
    "mixed": [
        start("pay", "a", index=0),
        start("list_accounts", "b", index=1),
        delta("{", index=1),
        delta('{"amount": 5}', index=0),
        delta("}", index=1),
    ],
    "the second index first": [
        start("list_accounts", "b", index=2),
        start("pay", "a", index=1),
        delta('{"amount": 5}', index=1),
    ],
}


@pytest.mark.parametrize("case", ANTHROPIC_STREAMS)
async def test_pieces_of_blocks(case: str) -> None:
    completion = await streamed(AnthropicBackend, events(BEGIN, *ANTHROPIC_STREAMS[case], *END))
    found = [(call.id, call.tool, call.arguments, call.malformed) for call in completion.tool_calls]
    assert found == [("a", "pay", A, None), ("b", "list_accounts", {}, None)]


async def test_a_repeated_name_in_a_streamed_block_is_malformed() -> None:
    pieces = [start("pay", "a", index=0), delta('{"amount": 5, "amount": 500}', index=0)]
    (call,) = (await streamed(AnthropicBackend, events(BEGIN, *pieces, *END))).tool_calls
    assert call.malformed
    assert "twice" in call.malformed
