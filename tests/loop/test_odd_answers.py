"""An answer is an answer only if it is one: on the wire, in commits and in attempts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers.fault_server import Reply, error, serving
from helpers.odd_answers import BARE, CALL_TEXT, ODD, PAY, PAY_BLOCK, Make, Paid, committed
from helpers.sessions import unjudged
from helpers.wire_answers import chat, in_order, message

from artis_sdk import Direct
from artis_sdk.backends.anthropic import AnthropicBackend
from artis_sdk.backends.openai import OpenAIBackend
from artis_sdk.backends.scripted import ScriptedBackend
from artis_sdk.records import (
    Capabilities,
    Completion,
    Ending,
    ToolCall,
)

QWEN3 = (
    "<function=pay>\n<parameter=owner>\nbob\n</parameter>\n<parameter=amount>\n5\n</parameter>\n</function>"
)
LEFT_IN_WORDS: dict[str, tuple[Make, Reply, bool]] = {
    "Hermes": (OpenAIBackend, chat({"content": CALL_TEXT, "tool_calls": []}), True),
    # vllm 32926, ollama 12174, 13519
    "bare": (OpenAIBackend, chat({"content": BARE}), True),
    "fenced": (OpenAIBackend, chat({"content": f"I pay.\n```json\n{BARE}\n```"}), True),
    "Qwen3-Coder": (OpenAIBackend, chat({"content": QWEN3}), True),  # vllm 21571
    "pythonic": (OpenAIBackend, chat({"content": '[pay(owner="bob", amount=5)]'}), True),  # ollama 7824
    # groq-typescript 28, smolagents 1119
    "tool_use_failed": (
        OpenAIBackend,
        error(
            False,
            400,
            "Failed to call a function.",
            code="tool_use_failed",
            failed_generation='<function=pay{"amount": 5}</function>',
        ),
        False,
    ),
    "Anthropic": (
        AnthropicBackend,
        message([{"type": "text", "text": f'<invoke name="pay">{BARE}</invoke>'}]),
        False,
    ),
}
"""Backend, an answer with a call in its words, and whether that can be read for certain."""


@pytest.mark.parametrize("case", LEFT_IN_WORDS)
async def test_a_call_in_words_is_made_as_written_or_told(case: str, tmp_path: Path) -> None:
    make, reply, certain = LEFT_IN_WORDS[case]
    openai = make is OpenAIBackend
    done = chat({"content": "Paid."}) if openai else message([{"type": "text", "text": "Paid."}])
    result, paid, requests = await committed(make, [reply, done], tmp_path)
    assert (result.ended, result.answer, requests) == ("answer", "Paid.", 2)
    assert paid.payments == ([("bob", 5)] if certain else [])
    if not certain:
        assert "could not be read" in result.messages[1].content


@pytest.mark.parametrize("case", ODD)
async def test_an_odd_answer_is_never_the_final_one(case: str, tmp_path: Path) -> None:
    """At once, and after a real call, whose result it must not take along."""
    make, reply, ended, asked = ODD[case]
    result, paid, requests = await committed(make, [reply], tmp_path / "first")
    assert (result.ended, result.answer, result.calls) == (ended, None, ())
    assert any("without a final answer" in note for note in result.notes)
    assert requests == asked, "asked once more where that helps"

    call = chat(PAY, "tool_calls") if make is OpenAIBackend else message(PAY_BLOCK, "tool_use")
    result, paid, requests = await committed(make, [call, reply], tmp_path / "then")
    assert (result.ended, result.answer) == (ended, None)
    assert [made.call.tool for made in result.calls] == ["pay"]
    assert paid.payments == [("bob", 5)]
    assert requests == 1 + asked


@pytest.mark.parametrize("case", [case for case, (_, _, _, asked) in ODD.items() if asked == 2])
async def test_the_second_draw_counts(case: str, tmp_path: Path) -> None:
    make, reply, _, _ = ODD[case]
    openai = make is OpenAIBackend
    call = chat(PAY, "tool_calls") if openai else message(PAY_BLOCK, "tool_use")
    done = chat({"content": "Paid."}) if openai else message([{"type": "text", "text": "Paid."}])
    result, paid, requests = await committed(make, [reply, call, done], tmp_path)
    assert (result.ended, result.answer, paid.payments) == ("answer", "Paid.", [("bob", 5)])
    assert sum("asked once more" in note for note in result.notes) == 1
    assert requests == 3


async def test_the_model_is_told_that_its_call_was_not_read(tmp_path: Path) -> None:
    paid = Paid()
    replies = [chat({"content": "I pay."}, "tool_calls"), chat({"content": "Then not."})]
    async with serving(in_order(replies)) as server:
        backend = OpenAIBackend("m", base_url=server.base_url)
        async with unjudged(backend, [paid.tool], tmp_path / "j.db", strategy=Direct()) as session:
            await session.run("Pay Bob 5.")
        await backend.aclose()
        said, told = server.requests[1].json["messages"][-2:]
        assert said["role"] == "assistant"
        assert said["content"] == "I pay."
        assert told["role"] == "user"
        assert "could not be read" in told["content"]
    assert paid.payments == []


async def test_nothing_is_made_up_for_an_empty_turn(tmp_path: Path) -> None:
    """The same request again: no empty message, which some servers refuse, and no words of ours."""
    paid = Paid()
    async with serving(in_order([chat({"content": ""}), chat({"content": "No."})])) as server:
        backend = OpenAIBackend("m", base_url=server.base_url)
        async with unjudged(backend, [paid.tool], tmp_path / "j.db", strategy=Direct(), seed=1) as session:
            await session.run("Pay Bob 5.")
        await backend.aclose()
        first, second = (request.json for request in server.requests)
    assert first["messages"] == second["messages"]
    assert first["seed"] != second["seed"], "or the same would be drawn"


@pytest.mark.parametrize("finish", ["eos", "eos_token", "stop_sequence", "end_turn", "STOP"])
async def test_other_words_for_the_end(finish: str, tmp_path: Path) -> None:
    result, _, _ = await committed(OpenAIBackend, [chat({"content": "Paid."}, finish)], tmp_path)
    assert (result.ended, result.answer) == ("answer", "Paid.")


CALLS: dict[str, Reply] = {
    "the old function_call": chat(
        {"content": None, "function_call": {"name": "pay", "arguments": '{"owner": "bob", "amount": 5}'}},
        "function_call",
    ),
    # TGI 2794
    "a dict": chat(
        {
            "tool_calls": {
                "id": 0,
                "type": "function",
                "function": {"description": None, "name": "pay", "parameters": {"owner": "bob", "amount": 5}},
            }
        },
        "eos_token",
    ),
    "calls by number": chat({"content": None, "tool_calls": {"0": PAY["tool_calls"][0]}}, "tool_calls"),
    "arguments as an object": chat(
        {
            "content": "",
            "tool_calls": [{"function": {"name": "pay", "arguments": {"owner": "bob", "amount": 5}}}],
        },
        "stop",
    ),
    # ragflow 14805
    "content in parts": chat({**PAY, "content": [{"type": "text", "text": "I pay."}]}, "tool_calls"),
    "usage of texts": chat(PAY, "tool_calls", usage={"prompt_tokens": "12", "completion_tokens": "3"}),
    "usage of nulls": chat(
        PAY,
        "tool_calls",
        usage={"prompt_tokens": None, "completion_tokens": None, "prompt_tokens_details": None},
    ),
    "usage of floats": chat(PAY, "tool_calls", usage={"prompt_tokens": 1.5, "completion_tokens": 2.0}),
    "negative usage": chat(PAY, "tool_calls", usage={"prompt_tokens": -1, "completion_tokens": 2}),
    "usage as a text": chat(PAY, "tool_calls", usage="many"),
    "no usage": chat(PAY, "tool_calls", usage=None),
}


@pytest.mark.parametrize("case", CALLS)
async def test_a_call_is_read_however_it_comes(case: str, tmp_path: Path) -> None:
    result, paid, _ = await committed(OpenAIBackend, [CALLS[case], chat({"content": "Paid."})], tmp_path)
    assert (result.ended, result.answer, paid.payments) == ("answer", "Paid.", [("bob", 5)])


UNREADABLE: dict[str, dict[str, Any]] = {
    "twice the same name": {"name": "pay", "arguments": '{"amount": 5, "amount": 500}'},
    "an infinite number": {"name": "pay", "arguments": '{"amount": 1e999}'},
    "under an unknown name": {"name": "pay", "args": {"amount": 5}},
    "under two names": {"name": "pay", "arguments": '{"amount": 5}', "parameters": {"amount": 6}},
    "no JSON": {"name": "pay", "arguments": "amount=5"},
}


@pytest.mark.parametrize("case", UNREADABLE)
async def test_a_call_that_is_unclear_is_not_made(case: str, tmp_path: Path) -> None:
    """Least of all without arguments, when a default would do the rest."""
    reply = chat({"content": None, "tool_calls": [{"id": "c", "function": UNREADABLE[case]}]}, "tool_calls")
    result, paid, _ = await committed(OpenAIBackend, [reply, chat({"content": "No."})], tmp_path)
    assert paid.payments == []
    assert result.messages[1].failed
    assert "could not be read" in result.messages[1].content


@pytest.mark.parametrize("arguments", ["", None, '{"owner": "bob", "am'])
async def test_a_cut_call_is_not_made_without_its_arguments(arguments: Any, tmp_path: Path) -> None:
    function = {"name": "pay", "arguments": arguments}
    reply = chat({"content": None, "tool_calls": [{"id": "c", "function": function}]}, "length")
    _, paid, _ = await committed(OpenAIBackend, [reply, chat({"content": "No."})], tmp_path)
    assert paid.payments == []


@pytest.mark.parametrize("native", [True, False], ids=["native", "text"])
@pytest.mark.parametrize(
    ("completion", "ended"),
    [
        (Completion(text="Pai", finish_reason="length"), "cut"),
        (Completion(text=""), "empty"),
        (Completion(text="x", finish_reason="content_filter"), "filtered"),
        (Completion(text="No.", finish_reason="refusal"), "declined"),
        (Completion(text=CALL_TEXT), "unread_call"),
        (Completion(finish_reason="tool_calls"), "unread_call"),
        (Completion(text='<tool_response>\n{"paid": 5}\n</tool_response>'), "made_up"),
        (Completion(text='<think>Now.</think>[TOOL_RESULTS] {"paid": 5}'), "made_up"),
        (Completion(text="<|im_start|>"), "empty"),
        (Completion(text="\n<|im_start|>assistant\n"), "empty"),
    ],
)
async def test_every_backend_alike(
    native: bool, completion: Completion, ended: Ending, tmp_path: Path
) -> None:
    paid = Paid()
    backend = ScriptedBackend(lambda request: completion, capabilities=Capabilities(native_tools=native))
    async with unjudged(backend, [paid.tool], tmp_path / "j.db", strategy=Direct()) as session:
        result = await session.run("Pay Bob 5.")
    assert (result.ended, result.answer) == (ended, None)


async def test_a_model_that_makes_up_a_result_is_told_so(tmp_path: Path) -> None:
    """Qwen2.5-Coder-1.5B does: without a call, the result of one, for a final answer."""
    paid = Paid()
    call = ToolCall(tool="pay", arguments={"amount": 5})
    made_up = Completion(text='<tool_response>\n{"paid": 5}\n</tool_response>')
    backend = ScriptedBackend(iter([made_up, Completion(tool_calls=(call,)), Completion(text="Paid.")]))
    async with unjudged(backend, [paid.tool], tmp_path / "j.db", strategy=Direct()) as session:
        result = await session.run("Pay Bob 5.")
    said, told = backend.requests[1].messages[-2:]
    assert (said.role, said.content, told.role) == ("assistant", made_up.text, "user")
    assert "only tools give results" in told.content
    assert (result.ended, result.answer, len(paid.payments)) == ("answer", "Paid.", 1)


async def test_a_mark_alone_is_not_said_again(tmp_path: Path) -> None:
    paid = Paid()
    backend = ScriptedBackend(iter([Completion(text="<|im_start|>"), Completion(text="No.")]))
    async with unjudged(backend, [paid.tool], tmp_path / "j.db", strategy=Direct()) as session:
        assert (await session.run("Pay Bob 5.")).answer == "No."
    first, second = backend.requests
    assert first.messages == second.messages


@pytest.mark.parametrize("text", ["The mark is <tool_response>.", "`<tool_response>` opens a result."])
async def test_words_about_marks_are_words(text: str, tmp_path: Path) -> None:
    paid = Paid()
    backend = ScriptedBackend(lambda request: Completion(text=text))
    async with unjudged(backend, [paid.tool], tmp_path / "j.db", strategy=Direct()) as session:
        assert (await session.run("What is the mark?")).answer == text


async def test_calls_beside_a_filter_are_not_made(tmp_path: Path) -> None:
    paid = Paid()
    call = ToolCall(tool="pay", arguments={"amount": 5})
    backend = ScriptedBackend(lambda request: Completion(tool_calls=(call,), finish_reason="content_filter"))
    async with unjudged(backend, [paid.tool], tmp_path / "j.db", strategy=Direct()) as session:
        result = await session.run("Pay Bob 5.")
    assert (result.ended, paid.payments) == ("filtered", [])
