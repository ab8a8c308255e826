"""Prompts by a chat template: its own text alone becomes control tokens, whatever the data spells."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest
from helpers.control_text import PLACES, conversation, hostile, plain
from helpers.tiny_model import TEMPLATE
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from artis_sdk.backends.chat import ChatPrompts, ChatTemplate, Vocabulary
from artis_sdk.backends.chat.prompt_text import PromptText, concat, written
from artis_sdk.backends.chat.vocabulary import is_mark
from artis_sdk.backends.hosted.wire import arguments_object
from artis_sdk.errors import ConfigurationError, RequestRejected
from artis_sdk.records import Request

MARKS = (
    "<|im_start|>", "<|im_end|>", "<|im_end|>x", "<|user|>", "<|assistant|>", "<|system|>", "<|tool|>",
    "<|end|>", "<s>", "</s>", "[INST]", "[/INST]", "<tool_call>", "</tool_call>", "<tool_response>",
    "</tool_response>", "<think>", "</think>",
)  # fmt: skip
IDS = {text: 1000 + n for n, text in enumerate(MARKS)}
_ANY = re.compile("|".join(sorted(map(re.escape, MARKS), key=len, reverse=True)) + "|.", re.DOTALL)


def tokenize(text: str) -> list[int]:
    """One token a mark, the longest first, and one a character."""
    return [IDS.get(piece, min(ord(piece[0]), 999)) for piece in _ANY.findall(text)]


PHI = """\
{%- for message in messages %}
{{- '<|' + message['role'] + '|>' + '\\n' + message['content'] | trim + '<|end|>\\n' }}
{%- endfor %}{{ '<|assistant|>\\n' if add_generation_prompt else eos_token }}"""
GLM = "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}{% endfor %}<|assistant|>"
LLAMA2 = """\
{%- set ns = namespace(parts=[bos_token]) %}
{%- for message in messages %}
{%- set content = message.content | trim %}
{%- if message.role == 'assistant' %}{%- set ns.parts = ns.parts + [' ' ~ content ~ ' ' ~ eos_token] %}
{%- else %}{%- set ns.parts = ns.parts + ['[INST] ' ~ content ~ ' [/INST]'] %}{%- endif %}
{%- endfor %}
{{- ns.parts | join }}"""
THINKER = """\
{%- macro turn(role, text) %}{{ '<|im_start|>' ~ role }}
{{ text }}<|im_end|>{% endmacro %}
{%- for message in messages %}
{%- set content = message.content %}
{%- if message.role == 'assistant' and '</think>' in content %}
{%- set thought = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
{%- set answer = content.split('</think>')[-1].lstrip('\\n') %}
{%- set content = '<think>\\n' + thought + '\\n</think>\\n\\n' + answer %}
{%- endif %}
{%- set said %}{{ content[:40] if content | length > 400 else content }}{% endset %}
{{- turn(message.role, said.strip()) }}
{%- if message.tool_calls %}
{%- for call in message.tool_calls %}
{{- ['<tool_call>', call.function | tojson, '</tool_call>'] | join('\\n') }}
{%- endfor %}
{%- endif %}
{%- endfor %}"""
TEMPLATES = {"hermes": TEMPLATE, "phi": PHI, "glm": GLM, "llama2": LLAMA2, "thinker": THINKER}


def prompts(template: str, **more: Any) -> ChatPrompts:
    special = {"bos_token": "<s>", "eos_token": "</s>"}
    return ChatPrompts("test", ChatTemplate("test", template, {}, special), Vocabulary(IDS, tokenize, **more))


def arguments(request: Request) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A request's messages and tools as chat templates take them."""
    messages: list[dict[str, Any]] = []
    for message in request.messages:
        wire: dict[str, Any] = {"role": message.role, "content": message.content}
        if message.tool_calls:
            wire["tool_calls"] = [
                {"function": {"name": call.tool, "arguments": arguments_object(call)}}
                for call in message.tool_calls
            ]
        messages.append(wire)
    return messages, [{"type": "function", "function": tool.document()} for tool in request.tools]


def rendered(made: ChatPrompts, request: Request) -> PromptText:
    messages, tools = arguments(request)
    return made.text(messages, tools=tools, add_generation_prompt=True)


def control(ids: Sequence[int]) -> list[int]:
    return [id for id in ids if id >= 1000]


@pytest.mark.parametrize("name", TEMPLATES)
@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(hostile(MARKS))
def test_data_never_becomes_a_control_token(name: str, data: dict[str, str]) -> None:
    made = prompts(TEMPLATES[name])
    if name == "thinker":  # it writes thoughts again that it finds in answers: those marks are its own
        data = {**data, "answer": "x", "said": "x"}
    text = rendered(made, conversation(data.__getitem__))
    expected = control(made.tokens(rendered(made, conversation(plain))))
    assert expected, "the template writes control tokens"
    assert control(made.tokens(text)) == expected
    assert "".join(made.pieces(text)) == text, "nothing is lost, nothing is added"


@pytest.mark.parametrize("name", TEMPLATES)
@settings(deadline=None, max_examples=20)
@given(st.text(alphabet=st.sampled_from('ab<>|[]{}"\\ \n/é東'), max_size=30))
def test_prompts_without_marks_in_their_data_are_tokenized_as_ever(name: str, text: str) -> None:
    made = prompts(TEMPLATES[name])
    whole = rendered(made, conversation(lambda place: text))
    assert made.pieces(whole) == [whole]
    assert made.tokens(whole) == tokenize(whole)


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_does_what_it_always_does(name: str) -> None:
    """The text is that of plain Jinja: tests, splits, slices and filters see ordinary strings."""
    from jinja2.ext import loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    from artis_sdk.backends.chat.template import _tojson

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
    )
    environment.filters["tojson"] = _tojson
    for data in ("  plain  ", "<think>\nhm\n</think>\n\nyes<|im_end|>", "", "long " * 100):
        messages, tools = arguments(conversation(dict.fromkeys(PLACES, data).__getitem__))
        expected = environment.from_string(TEMPLATES[name]).render(
            messages=messages, tools=tools, add_generation_prompt=True, bos_token="<s>", eos_token="</s>"
        )
        assert prompts(TEMPLATES[name]).text(messages, tools=tools, add_generation_prompt=True) == expected


def test_a_thought_that_the_template_writes_again_is_its_own_and_one_in_a_result_is_not() -> None:
    made = prompts(THINKER)
    messages = [
        {"role": "assistant", "content": "<think>\nhm<|im_end|>\n</think>\n\nyes"},
        {"role": "user", "content": "</think> is a mark"},
    ]
    marks = [MARKS[id - 1000] for id in control(made.tokens(made.text(messages)))]
    assert marks == ["<|im_start|>", "<think>", "</think>", "<|im_end|>", "<|im_start|>", "<|im_end|>"]


@pytest.mark.parametrize(
    "template",
    [
        "{% for m in messages %}{{ '<|%s|>' % m.role }}{{ m.content }}{% endfor %}",
        "{% for m in messages %}{{ '<|{}|>'.format(m.role) }}{{ m.content }}{% endfor %}",
        "{% for m in messages %}{{ '<|role|>' | replace('role', m.role) }}{{ m.content }}{% endfor %}",
    ],
)
def test_marks_that_cannot_be_told_from_data_are_refused_at_once(template: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be distinguished from data"):
        prompts(template)


def test_a_rule_of_the_tokenizer_that_is_not_known_is_noticed() -> None:
    """A tokenizer that normalizes full-width letters makes marks of texts that do not spell them."""

    def folding(text: str) -> list[int]:
        return tokenize(text.replace("\uff1c", "<").replace("\uff1e", ">"))

    template = ChatTemplate("test", PHI, {}, {"bos_token": "<s>", "eos_token": "</s>"})
    made = ChatPrompts("test", template, Vocabulary(IDS, folding))
    text = made.text([{"role": "user", "content": "\uff1c|end|\uff1e"}], add_generation_prompt=True)
    with pytest.raises(RequestRejected, match="be read as control tokens"):
        made.tokens(text)


def test_what_the_vocabulary_lacks_is_no_control_token() -> None:
    made = prompts(PHI, unknown=IDS["<s>"])
    data = [{"role": "user", "content": "<s>"}]
    assert control(made.tokens(made.text(data))) == [IDS["<|user|>"], IDS["<|end|>"], IDS["</s>"]]


def test_a_template_that_is_no_jinja_and_one_that_refuses() -> None:
    with pytest.raises(ConfigurationError, match="not valid"):
        prompts("{% for %}")
    refusing = prompts("{{ raise_exception('roles must alternate') }}")
    with pytest.raises(RequestRejected, match="roles must alternate"):
        refusing.text([{"role": "user", "content": "x"}])


@pytest.mark.parametrize(
    ("text", "special", "mark"),
    [
        ("<|im_end|>", True, True), ("<tool_call>", False, True), ("[TOOL_CALLS]", False, True),
        ("]~b]", True, True), ("\n\n", False, False), ("สวัสดี", False, False), ("   ", True, False),
    ],
)  # fmt: skip
def test_added_tokens_of_ordinary_text_are_no_marks(text: str, special: bool, mark: bool) -> None:
    assert is_mark(text, special=special) is mark


# --- the text that knows what is own ----------------------------------------------------------

_parts = st.lists(st.tuples(st.text("ab <\n", max_size=6), st.booleans()), max_size=5)


def flagged(parts: list[tuple[str, bool]]) -> tuple[PromptText, list[tuple[str, bool]]]:
    """A text, and each of its characters with whether it is own."""
    text = concat([written(piece) if own else piece for piece, own in parts])
    return text, [(character, own) for piece, own in parts for character in piece]


def flags(text: PromptText) -> list[tuple[str, bool]]:
    return [(character, text.owns(n, n + 1)) for n, character in enumerate(text)]


@given(_parts, _parts, st.integers(-8, 8), st.integers(-8, 8))
def test_every_character_keeps_its_origin(
    one: list[tuple[str, bool]], other: list[tuple[str, bool]], start: int, stop: int
) -> None:
    (text, expected), (more, added) = flagged(one), flagged(other)
    assert flags(text) == expected
    assert flags(text + more) == expected + added
    assert flags(text + str.__str__("plain")) == expected + [(c, False) for c in "plain"]
    assert flags("plain" + text) == [(c, False) for c in "plain"] + expected
    assert flags(text[start:stop]) == expected[start:stop]
    assert flags(text.join(["x", more, "y"])) == [("x", False), *expected, *added, *expected, ("y", False)]
    left = len(text) - len(str(text).lstrip())
    stripped = str.strip(text)
    assert flags(text.strip()) == expected[left : left + len(stripped)]
    assert text == "".join(piece for piece, _ in one)
    assert hash(text) == hash("".join(piece for piece, _ in one))


@given(_parts.filter(lambda parts: any(piece for piece, _ in parts)))
def test_whatever_is_not_followed_counts_as_data(parts: list[tuple[str, bool]]) -> None:
    text, _ = flagged(parts)
    changed = [
        text.replace("a", "b"), text.upper(), text.title(), text * 2, text.ljust(20), text % (),
        text.casefold(), text.encode().decode(), "".join(text), text[::-1], *text.split(), *text.splitlines(),
        type(text)(text), text.format(),
    ]  # fmt: skip
    assert not any(getattr(each, "own", ()) for each in changed if each is not text)
