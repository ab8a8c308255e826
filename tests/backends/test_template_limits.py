"""Chat templates that take less than others: messages are fitted to them, and nothing is lost."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artis_sdk.backends.chat import ChatPrompts, ChatTemplate, Vocabulary
from artis_sdk.backends.chat.limits import TemplateLimits, find_limits
from artis_sdk.errors import RequestRejected

# Each refuses what its model's own template refuses, in the same way.
LLAMA_3 = """\
{{- bos_token }}
{%- if tools is not none %}{%- for t in tools %}{{- t | tojson }}{%- endfor %}{%- endif %}
{%- for message in messages %}
{%- if 'tool_calls' in message %}
{%- if not message.tool_calls|length == 1 %}
{{- raise_exception("This model only supports single tool-calls at once!") }}
{%- endif %}
{%- set call = message.tool_calls[0].function %}
{{- '<|assistant|>' + (message.content or '') + '{"name": "' + call.name + '", "parameters": ' }}
{{- call.arguments | tojson }}{{- '}<|end|>' }}
{%- elif message.role == 'tool' %}{{- '<|ipython|>' + message.content + '<|end|>' }}
{%- else %}{{- '<|' + message.role + '|>' + message.content + '<|end|>' }}{%- endif %}
{%- endfor %}"""
FIRST_CALL_ONLY = LLAMA_3.replace("|length == 1", "|length > 0")
GEMMA_2 = """\
{{- bos_token }}
{%- if messages[0].role == 'system' %}{{- raise_exception('System role not supported') }}{%- endif %}
{%- for message in messages %}
{%- if (message.role == 'user') != (loop.index0 % 2 == 0) %}
{{- raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}
{%- endif %}
{{- '<|' + message.role + '|>' + message.content | trim + '<|end|>' }}
{%- endfor %}"""
NO_SYSTEM = """\
{%- for message in messages %}{%- if message.role != 'system' %}
{{- '<|' + message.role + '|>' + message.content + '<|end|>' }}{%- endif %}{%- endfor %}"""
HERMES_2_PRO = """\
{{- 'Here are the available tools: ' }}{%- for tool in tools %}{{- tool.function.name }}{%- endfor %}
{%- for message in messages %}
{%- if message.role == 'tool' and not message.name is defined %}
{{- raise_exception("Tool response dicts require a 'name' key indicating the name of the called function!") }}
{%- endif %}
{{- '<|' + message.role + '|>' }}
{%- for call in message.tool_calls or [] %}{{- call.function | tojson }}{%- endfor %}
{{- (message.name or '') + message.content + '<|end|>' }}
{%- endfor %}"""
NO_LENGTH_OF_NONE = HERMES_2_PRO.replace(
    "{%- for tool in", "{%- if tools|length > 0 %}!{%- endif %}{%- for tool in"
)

MARKS = {mark: 1000 + n for n, mark in enumerate(("<|user|>", "<|assistant|>", "<|system|>", "<|end|>"))}
TOOLS = [{"type": "function", "function": {"name": "pay", "description": "Pay.", "parameters": {}}}]


def template(text: str) -> ChatTemplate:
    return ChatTemplate("test", text, {}, {"bos_token": "<s>"})


def prompts(text: str) -> ChatPrompts:
    return ChatPrompts("test", template(text), Vocabulary(MARKS, lambda text: list(map(ord, text))))


def conversation(calls: int) -> list[dict[str, Any]]:
    listed = [
        {"id": f"c{n}", "type": "function", "function": {"name": "pay", "arguments": {"n": n}}}
        for n in range(calls)
    ]
    return [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Go."},
        {"role": "assistant", "content": "I go.", "tool_calls": listed},
        *[{"role": "tool", "tool_call_id": f"c{n}", "content": f"result {n}"} for n in range(calls)],
    ]


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        (LLAMA_3, TemplateLimits(several_calls=False)),
        (FIRST_CALL_ONLY, TemplateLimits(several_calls=False)),
        (GEMMA_2, TemplateLimits(system=False, tools=False, calls=False)),
        (NO_SYSTEM, TemplateLimits(system=False, tools=False, calls=False)),
        (HERMES_2_PRO, TemplateLimits(no_tools=())),
        (NO_LENGTH_OF_NONE, TemplateLimits(no_tools=())),
    ],
)
def test_what_a_template_does_not_take_is_found_out(text: str, limits: TemplateLimits) -> None:
    assert find_limits(template(text)) == limits


@pytest.mark.parametrize("text", [LLAMA_3, FIRST_CALL_ONLY])
def test_several_calls_get_a_turn_each_with_their_results(text: str) -> None:
    with pytest.raises(RequestRejected, match="single tool-calls"):
        template(LLAMA_3).render(conversation(2), tools=TOOLS)
    rendered = prompts(text).text(conversation(3), tools=TOOLS)
    places = [
        rendered.index(piece)
        for n in range(3)
        for piece in (f'{{"name": "pay", "parameters": {{"n": {n}}}}}', f"<|ipython|>result {n}")
    ]
    assert places == sorted(places)
    assert rendered.count("I go.") == 1


@given(st.integers(0, 5), st.integers(0, 5))
def test_every_call_and_every_result_stands_once(first: int, second: int) -> None:
    messages = [*conversation(first), {"role": "assistant", "content": "Done."}, *conversation(second)[1:]]
    fitted = TemplateLimits(several_calls=False).fitted(messages)
    assert all(len(message.get("tool_calls") or ()) <= 1 for message in fitted)
    for role in ("system", "user", "tool"):
        wanted = [message["content"] for message in messages if message["role"] == role]
        assert sorted(m["content"] for m in fitted if m["role"] == role) == sorted(wanted)
    calls = [call for message in fitted for call in message.get("tool_calls") or ()]
    assert calls == [call for message in messages for call in message.get("tool_calls") or ()]


@pytest.mark.parametrize("text", [GEMMA_2, NO_SYSTEM])
def test_rules_go_into_the_first_user_turn_of_a_model_without_a_system_role(text: str) -> None:
    rendered = prompts(text).text(conversation(0)[:2])
    assert rendered.endswith("<|user|>Be brief.\n\nGo.<|end|>")
    alone = prompts(text).text(conversation(0)[:1])
    assert alone.endswith("<|user|>Be brief.<|end|>")


@pytest.mark.parametrize("text", [HERMES_2_PRO, NO_LENGTH_OF_NONE])
def test_a_template_that_breaks_on_no_tools_gets_an_empty_list(text: str) -> None:
    with pytest.raises(RequestRejected):
        template(text).render([{"role": "user", "content": "Hi"}], tools=None)
    made = prompts(text)
    nothing: tuple[Any, ...] = (None, [], ())
    for tools in nothing:
        assert made.text([{"role": "user", "content": "Hi"}], tools=tools).endswith("<|user|>Hi<|end|>")
    assert "pay" in made.text([{"role": "user", "content": "Hi"}], tools=TOOLS)


def test_results_say_which_tool_it_was() -> None:
    rendered = prompts(HERMES_2_PRO).text(conversation(2), tools=TOOLS)
    assert "<|tool|>payresult 0<|end|><|tool|>payresult 1<|end|>" in rendered


def test_a_template_may_leave_out_tools_or_calls() -> None:
    """Phi-4's reads tools from a message's own field; Granite 3's and LFM2's write no calls."""
    tools = "{%- for t in tools or [] %}{{- t | tojson }}{%- endfor %}"
    turns = "{%- for m in messages %}{{- m.role + m.content }}{%- endfor %}"
    calls = "{%- for m in messages %}{%- for c in m.tool_calls or [] %}{{- c.function.arguments | tojson }}"
    calls += "{%- endfor %}{%- endfor %}"
    for text, expected in (
        (turns, (False, False)),
        (tools + turns, (True, False)),
        (turns + calls, (False, True)),
        (tools + turns + calls, (True, True)),
    ):
        limits = find_limits(ChatTemplate("m", text, {}, {}))
        assert (limits.tools, limits.calls) == expected
