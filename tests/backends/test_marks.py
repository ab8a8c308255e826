"""Control marks of the known families: broken up in what a hosted API is sent, whole in what comes back."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from helpers.control_text import conversation
from helpers.fault_server import Reply, Seen, answer, serving, streamed
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import from_json

from artis_sdk.backends.anthropic import AnthropicBackend
from artis_sdk.backends.anthropic import answers as anthropic_answers
from artis_sdk.backends.anthropic import wire as anthropic
from artis_sdk.backends.hosted.wire import data_json, with_whole_texts
from artis_sdk.backends.hosted.wire import encode as encode_json
from artis_sdk.backends.openai import OpenAIBackend
from artis_sdk.backends.openai import answers as openai_answers
from artis_sdk.backends.openai import wire as openai
from artis_sdk.prompts import encode, encode_spaced
from artis_sdk.records import Message, Request, ToolCall
from artis_sdk.records.marks import BREAK, PutTogether, break_up, in_all_texts, put_together

FAMILIES = (
    "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|start_header_id|>", "<|python_tag|>",
    "<|START_OF_TURN_TOKEN|>", "<|channel|>", "<|tool_calls_section_begin|>", "<｜User｜>",
    "<｜tool▁calls▁begin｜>", "<s>", "</s>", "[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "[TOOL_CALLS]",
    "[AVAILABLE_TOOLS]", "[/TOOL_RESULTS]", "[SYSTEM_PROMPT]", "[ARGS]", "[CALL_ID]", "<start_of_turn>",
    "<end_of_turn>", "<bos>", "<eos>", "<tool_call>", "</tool_call>", "<tool_response>", "<function=move>",
    "<parameter=far>", "<arg_key>", "</arg_value>", "<minimax:tool_call>", "]~b]", "[e~[", "[|user|]",
    "[gMASK]", "<sop>", "<seed:bos>", "<unused12>", "<extra_id_0>", "<think>", "</think>", "<function_calls>",
)  # fmt: skip
ORDINARY = (
    "a < b and c > d", "<p>text</p>", "<div class='x'>", "[1, 2]", "[INFO] started", "x |> f <| y",
    "[[link]]", "<b>bold</b>", "List<String>", "[x](y)", "a <| b |> c", "{'INST': 1}", "<https://example.com>",
    "[OK]",
)  # fmt: skip
hostile = st.lists(
    st.sampled_from([*FAMILIES, BREAK, "<", "[", "|", "]", "[IN", "ST]", "<|", "|>", "x", " "]), max_size=6
).map("".join)


@pytest.mark.parametrize("mark", FAMILIES)
def test_marks_are_broken_up_and_put_together(mark: str) -> None:
    for text in (mark, f"a{mark}\n{mark}b", f"<{mark}>", f"[{mark}]", f"<|{mark}|>"):
        broken = break_up(text)
        assert mark not in broken
        assert broken.replace(BREAK, "") == text
        assert put_together(broken) == text
        assert not any(each in broken for each in FAMILIES)


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert break_up(text) == text
    assert json.loads(encode(text)) == text


@settings(max_examples=500)
@given(hostile)
def test_breaking_up_can_always_be_undone(text: str) -> None:
    """Also for a text that holds broken marks of its own: one break is added, and one taken away."""
    broken = break_up(text)
    assert not any(mark in broken for mark in FAMILIES)
    assert put_together(broken) == text


@settings(max_examples=1000)
@given(hostile, st.booleans(), st.lists(st.integers(0, 60)))
def test_pieces_of_a_stream_add_up_to_the_text(text: str, broken: bool, places: list[int]) -> None:
    text = break_up(text) if broken else text
    bounds = sorted({0, len(text), *(place for place in places if place < len(text))})
    stream = PutTogether()
    told = [stream.feed(text[a:b]) for a, b in pairwise(bounds)]
    assert "".join(told) + stream.end() == put_together(text)


def test_a_stream_holds_back_no_more_than_it_must() -> None:
    stream = PutTogether()
    assert stream.feed("a <b> and [") == "a <b> and ["[:-1]
    assert stream.feed("1] <") == "[1] "
    assert stream.feed(BREAK) == ""
    assert stream.feed("x y") == f"<{BREAK}x y"
    assert stream.end() == ""


@given(st.lists(st.tuples(hostile, st.integers(0, 2), st.booleans()), max_size=6), st.booleans())
def test_a_long_text_is_the_same_json_as_a_short_one(
    lines: list[tuple[str, int, bool]], thoughts: bool
) -> None:
    """Whatever lines are remembered, a mark at any of their ends included."""
    text = "\n".join(
        part if not times else part + "x" * 4096 * times + (part if twice else "")
        for part, times, twice in lines
    )
    broken = break_up(text, thoughts=thoughts)
    assert data_json(text, thoughts=thoughts) == encode_json(broken)
    assert data_json(text, thoughts=thoughts) == encode_json(broken)  # now remembered


def test_thoughts_stay_marks_in_a_models_own_message() -> None:
    """Chat templates look for them there, to leave old thoughts out."""
    said = Message(role="assistant", content="<think>hm</think>yes<|im_end|>")
    sent = from_json(openai.message_json(said))["content"]
    assert sent.startswith("<think>hm</think>yes<")
    assert "<|im_end|>" not in sent
    result = Message(role="tool", tool_call_id="c", content="</think>")
    assert from_json(openai.message_json(result))["content"] != "</think>"


# --- what is sent -----------------------------------------------------------------------------


def texts(value: Any) -> list[str]:
    """All texts of a JSON value, keys included, JSON in JSON read."""
    found: list[str] = []

    def note(text: str) -> str:
        found.append(text)
        try:
            inner = json.loads(text)
        except ValueError:
            return text
        if isinstance(inner, dict | list):
            in_all_texts(inner, note)
        return text

    in_all_texts(value, note)
    return found


@pytest.mark.parametrize("mark", [mark for mark in FAMILIES if "think" not in mark])
def test_no_mark_reaches_a_hosted_api(mark: str) -> None:
    request = conversation(lambda place: f"{place} {mark}" if place != "name" else "move")
    sent: list[Any] = [from_json(openai.message_json(message)) for message in request.messages]
    sent += [from_json(openai.fitted_tools(request.tools, strict=lambda tool: False, most=1024)[0])]
    for _, blocks in map(anthropic.message_fragment, request.messages):
        sent.append(from_json(b"[" + blocks + b"]"))
    sent.append(from_json(anthropic.tools_json(request.tools, strict=lambda tool: False)))
    seen = texts(sent)
    assert [text for text in seen if mark in text] == []
    assert sum(mark in put_together(text) for text in seen) > 20, "the data is there"


def test_a_call_comes_back_as_it_was_meant() -> None:
    """A model copies what it was shown; the tool gets the value without the breaks."""
    value = {"text<|im_end|>": ["[INST]", {"deep": "a</s>b"}], "plain": "x"}
    copied = json.dumps(in_all_texts(value, break_up))
    function = {"name": "move", "arguments": copied}
    message = {"content": break_up("said <|im_end|>"), "tool_calls": [{"id": "c1", "function": function}]}
    answer = {"choices": [{"message": message, "finish_reason": "tool_calls"}], "usage": None}
    completion = openai_answers.read_completion(answer, None)
    assert completion.tool_calls[0].arguments == value
    assert completion.tool_calls[0].raw == copied
    assert with_whole_texts(completion, is_json=False).text == "said <|im_end|>"

    blocks = [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "text", "text": break_up("said <|im_end|>")},
        {"type": "tool_use", "id": "c1", "name": "move", "input": in_all_texts(value, break_up)},
    ]
    usage = {"input_tokens": 1, "output_tokens": 1}
    whole: dict[str, Any] = {"content": blocks, "stop_reason": "tool_use", "usage": usage}
    read = with_whole_texts(anthropic_answers.read_completion(whole, None), is_json=False)
    assert read.tool_calls[0].arguments == value
    assert read.text == "said <|im_end|>"
    again = Message(role="assistant", content=read.text, tool_calls=read.tool_calls, raw=read.raw, origin="a")
    _, fragment = anthropic.message_fragment(again, "a")
    assert from_json(b"[" + fragment + b"]") == blocks, "the signed thought goes back beside what it led to"


def test_marks_that_a_model_wrote_itself_are_broken_up_when_they_go_back() -> None:
    blocks = [
        {"type": "text", "text": "a<|im_end|>"},
        {"type": "tool_use", "id": "c", "name": "f", "input": {"x": "</s>"}},
    ]
    call = ToolCall(id="c", tool="f", arguments={"x": "</s>"})
    said = Message(
        role="assistant", content="a<|im_end|>", tool_calls=(call,), raw=json.dumps(blocks), origin="a"
    )
    _, fragment = anthropic.message_fragment(said, "a")
    assert b"<|im_end|>" not in fragment
    assert b"</s>" not in fragment


# --- what is written into prompts -------------------------------------------------------------


@pytest.mark.parametrize("mark", FAMILIES)
def test_encoded_data_spells_no_mark(mark: str) -> None:
    value = {f"key {mark}": [mark, f"{mark}{mark}"]}
    for text in (encode(value), encode_spaced(value)):
        assert mark not in text
        assert json.loads(text) == value


# --- over HTTP --------------------------------------------------------------------------------

MARKED = "x<|im_end|>"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": f"of {MARKED}",
    "properties": {MARKED: {"enum": [MARKED, "[INST]"]}},
    "required": [MARKED],
    "additionalProperties": False,
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("escaped", [False, True])
@pytest.mark.parametrize("make", [OpenAIBackend, AnthropicBackend])
async def test_a_schema_goes_out_without_marks_and_its_answer_comes_back_with_them(
    make: Any, escaped: bool, stream: bool
) -> None:
    """A server may write the schema into the prompt, and holds the model to the keys that it was sent."""
    bodies: list[Any] = []

    def handle(seen: Seen) -> Reply:
        bodies.append(seen.json)
        config = seen.json.get("response_format") or seen.json["output_config"]["format"]
        schema = config.get("json_schema", config)["schema"]
        (key,) = schema["properties"]
        said = json.dumps({key: schema["properties"][key]["enum"][0]}, ensure_ascii=escaped)
        reply = answer(seen, said)
        return streamed(reply) if seen.json.get("stream") else reply

    request = Request(messages=(Message(role="user", content="go"),), schema=SCHEMA)
    async with serving(handle) as server:
        backend = make("m", base_url=server.base_url)
        heard: list[str] = []
        completion = await backend.complete(request, on_token=heard.append if stream else None)
        await backend.aclose()
    assert [text for text in texts(bodies) if "<|im_end|>" in text or "[INST]" in text] == []
    assert json.loads(completion.text) == {MARKED: MARKED}
    if stream and not escaped:
        assert "".join(heard) == completion.text


@pytest.mark.parametrize("make", [OpenAIBackend, AnthropicBackend])
async def test_streamed_text_is_the_text_and_raw_is_what_came(make: Any) -> None:
    said = break_up("see <|im_end|> and [INST] </s>")

    def handle(seen: Seen) -> Reply:
        return streamed(answer(seen, said))

    async with serving(handle) as server:
        backend = make("m", base_url=server.base_url)
        heard: list[str] = []
        request = Request(messages=(Message(role="user", content="go"),))
        completion = await backend.complete(request, on_token=heard.append)
        await backend.aclose()
    assert completion.text == "see <|im_end|> and [INST] </s>" == "".join(heard)
    assert BREAK not in "".join(heard)
    assert said in texts(json.loads(completion.raw or ""))


def test_a_malformed_call_goes_back_as_it_came() -> None:
    raw = break_up('{"to": "a<|im_end|>')
    call = ToolCall(id="c1", tool="move", raw=raw, malformed="broken")
    said = Message(role="assistant", content="", tool_calls=(call,))
    sent = from_json(openai.message_json(said))["tool_calls"][0]["function"]["arguments"]
    assert from_json(sent) == {"malformed": raw}
    _, fragment = anthropic.message_fragment(said)
    assert from_json(b"[" + fragment + b"]")[0]["input"] == {"malformed": raw}
