"""Native tool calls: the same law of masks at token level, and the very text that a session would send."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from helpers.agent import Scripted, a_task, odd_tools, rolled
from helpers.tiny_model import make_tokenizer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from artis_sdk.errors import ConfigurationError
from artis_sdk.prompts import Prompts, encode
from artis_sdk.records import Outcome
from artis_sdk.trainers.agent.formats import Codec, Native
from artis_sdk.trainers.agent.turns import cut, escape

TOKENIZER = make_tokenizer(512)
CODEC = Codec(TOKENIZER)
END = "<|im_end|>"
OUTPUT = 60  # characters of an output before it is cut


def call(tool: str, /, **arguments: object) -> str:
    """A call as a model writes it; marks in its arguments are spelled so that only the tool sees them."""
    body = json.dumps({"name": tool, "arguments": arguments}).replace("<", "\\u003c")
    return f"<tool_call>\n{body}\n</tool_call>"


def cut_at(places: list[int]) -> Callable[[str], list[int]]:
    """Encode a text in parts, so that marks straddle tokens and ids are none that an encoder would give.

    The special token that ends a turn stays whole, for a model can write it in one way only.
    """

    def ids(text: str) -> list[int]:
        found: list[int] = []
        for piece in re.split(f"({re.escape(END)})", text):
            bounds = sorted({0, len(piece), *(place % (len(piece) + 1) for place in places)})
            parts = [piece] if piece == END else [piece[a:b] for a, b in pairwise(bounds)]
            for part in parts:
                found += CODEC.ids(part)
        return found

    return ids


def given_text(outcomes: list[Outcome]) -> str:
    """What the chat template prints between the end of a turn with calls and the next turn."""
    shown = [escape(cut(encode(outcome.content()), OUTPUT), CODEC.reserved) for outcome in outcomes]
    inside = "".join(f"\n<tool_response>\n{text}\n</tool_response>" for text in shown)
    return f"\n<|im_start|>user{inside}{END}\n<|im_start|>assistant\n"


WORDS = st.sampled_from(
    ["<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<|im_start|>", "<|im_end|>",
     "<|endoftext|>", "<think>", "</think>", "<", ">", "user", "hi", " ", "\n", "é", "<unused300>", '"']
)  # fmt: skip
TEXTS = st.lists(WORDS, max_size=6).map("".join)
SAYS = st.lists(st.sampled_from(["hi", "é", "<", "tool_", "think>", " ", "\n"]), max_size=4).map("".join)
CALLS = st.one_of(
    TEXTS.map(lambda text: call("echo", text=text)),
    st.just(call("add", a=1)),
    st.just(call("fails")),
    st.just(call("big")),
    st.just(call("fly", to="rome")),
    st.just("<tool_call>\n{broken\n</tool_call>"),
)
TURNS = st.lists(
    st.tuples(SAYS, st.lists(CALLS, min_size=1, max_size=3), st.sampled_from([END, END, "", "<tool_"])).map(
        lambda turn: f"{turn[0]}{chr(10).join(turn[1])}{turn[2]}"
    ),
    min_size=1,
    max_size=4,
)


@pytest.mark.slow
@given(TURNS, st.integers(40, 2000), st.lists(st.integers(1, 200), max_size=12))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
async def test_generated_ids_are_kept_and_all_others_are_masked(
    turns: list[str], tokens: int, places: list[int]
) -> None:
    left = [*turns, f"done{END}"]
    decoder = Scripted(TOKENIZER, lambda context: left.pop(0), cut_at(places))
    (rollout,) = await rolled(
        lambda context: "", decoder=decoder, tokenizer=TOKENIZER, format=Native(CODEC), turns=8,
        tokens=tokens, output_characters=OUTPUT,
    )  # fmt: skip
    tape = rollout.tape
    assert len(tape.ids) == len(tape.mask) == len(tape.logprobs) <= tokens
    # The tape is the pieces that were generated, with what was given between them.
    at, steps = 0, list(rollout.steps)
    for number, piece in enumerate(decoder.made):
        end = at + len(piece.ids)
        assert tape.ids[at:end] == piece.ids
        assert tape.mask[at:end] == [1] * len(piece.ids)
        assert tape.logprobs[at:end] == [-0.5] * len(piece.ids)
        at = end
        answered = [steps.pop(0).outcome for _ in rollout.turns[number].calls]
        rest = tape.mask[at:]
        end = at + (rest.index(1) if 1 in rest else len(rest))
        if end == at:  # an answer, or no room for the outputs
            assert number == len(decoder.made) - 1
            continue
        assert answered
        assert tape.mask[at:end] == [0] * (end - at)
        assert tape.logprobs[at:end] == [0.0] * (end - at)
        assert CODEC.text(tape.ids[at:end]) == given_text(answered)
        # Of all that a tool gave back, nothing is a mark or a special token: those are the template's.
        marks = [CODEC.text([id]) for id in tape.ids[at:end] if id in CODEC.reserved.values()]
        each = ["<tool_response>", "</tool_response>"] * len(answered)
        assert marks == ["<|im_start|>", *each, END, "<|im_start|>"]
        at = end
    assert at == len(tape.ids)
    assert not steps


async def test_a_rollout_reads_as_the_template_prints_the_conversation() -> None:
    said = f"{call('add', a=1, b=2)}\n" + call("echo", text='"b", 1.5') + END
    left = [said, f"yes{END}"]
    task = a_task("add one and two", tools=odd_tools())
    decoder = Scripted(TOKENIZER, lambda context: left.pop(0), cut_at([3, 14, 15, 40]))
    (rollout,) = await rolled(
        lambda context: "", task, decoder=decoder, tokenizer=TOKENIZER, format=Native(CODEC)
    )
    assert rollout.end == "answer"
    assert rollout.answer == "yes"
    assert [step.call.tool for step in rollout.steps] == ["add", "echo"]
    calls: list[Any] = [
        {"type": "function", "function": {"name": s.call.tool, "arguments": s.call.arguments}}
        for s in rollout.steps
    ]
    conversation: list[dict[str, Any]] = [
        {"role": "system", "content": Prompts().render("action_system", functions=None)},
        {"role": "user", "content": "add one and two"},
        {"role": "assistant", "content": "", "tool_calls": calls},
        *({"role": "tool", "content": encode(step.outcome.content())} for step in rollout.steps),
    ]
    listed = [{"type": "function", "function": tool.document()} for tool in task.tools.specs]
    expected = CODEC.chat(conversation, tools=listed) + f"yes{END}"
    assert CODEC.text(rollout.tape.context) == expected


def test_a_template_without_calls_is_refused() -> None:
    plain = make_tokenizer(512)
    plain.chat_template = "{% for m in messages %}{{ m.content }}{% endfor %}"
    with pytest.raises(ConfigurationError, match="use --format tags"):
        Native(Codec(plain))
