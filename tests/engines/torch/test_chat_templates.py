"""Real chat templates, and transformers' tokenizers: the same text as theirs, and only own control tokens."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from helpers.control_text import conversation, hostile, plain
from helpers.tiny_model import MARKS, SPECIAL, gguf_model, make_tokenizer
from hypothesis import HealthCheck, given, settings

from artis_sdk.backends.chat.limits import TOOL, call_turn, find_limits
from artis_sdk.backends.chat.prompts import _SAMPLES
from artis_sdk.backends.chat.template import ChatTemplate
from artis_sdk.backends.chat.vocabulary import Vocabulary
from artis_sdk.errors import RequestRejected, TrainingError
from artis_sdk.records import Message
from artis_sdk.trainers.agent.formats import Codec, Native, Tags
from artis_sdk.trainers.simulator.model import ChatEncoder

pytest.importorskip("transformers")
pytest.importorskip("trl")
pytestmark = pytest.mark.engine

NAMED = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<|pad|>", "unk_token": "<unk>"}
MARK = re.compile(
    r"<[|｜][^<>\s]*?[|｜]>|</?(?:tool_call|tool_response|think|s|bos|start_of_turn|end_of_turn|arg_key)>"
    r"|\[/?(?:INST|TOOL_CALLS|AVAILABLE_TOOLS|TOOL_RESULTS|SYSTEM_PROMPT)\]"
)


def real_templates() -> dict[str, str]:
    """Those that trl ships, of some forty models."""
    import trl

    folder = Path(trl.__file__).parent / "chat_templates"
    return {path.stem: path.read_text() for path in sorted(folder.glob("*.jinja"))}


def theirs(template: str, messages: Any, tools: Any) -> str | None:
    """What transformers renders; None where the template refuses."""
    from jinja2 import TemplateError
    from transformers.utils.chat_template_utils import render_jinja_template

    try:
        made, _ = render_jinja_template(
            [messages], tools=tools, chat_template=template, add_generation_prompt=True, **NAMED
        )
    except (TemplateError, TypeError, ValueError, KeyError):
        return None
    text: str = made[0]
    return text


@pytest.mark.parametrize("name", real_templates())
def test_real_templates_are_rendered_as_transformers_does_and_their_marks_are_own(name: str) -> None:
    template = real_templates()[name]
    ours = ChatTemplate(name, template, {"documents": None}, NAMED)
    rendered = 0
    for messages, tools in _SAMPLES:
        expected = theirs(template, messages, tools)
        if expected is None:
            with pytest.raises(RequestRejected):
                ours.render(messages, tools=tools, add_generation_prompt=True)
            continue
        text = ours.render(messages, tools=tools, add_generation_prompt=True)
        assert text == expected
        marks = {mark: n for n, mark in enumerate(MARK.findall(expected))}
        assert list(Vocabulary(marks, lambda text: []).foreign(text)) == []
        rendered += 1
    assert rendered


@pytest.mark.parametrize("name", real_templates())
def test_real_templates_render_a_whole_history_with_several_calls(name: str) -> None:
    """Llama 3 refuses two calls in a turn, gpt-oss renders the first alone, Gemma has no system role."""
    template = ChatTemplate(name, real_templates()[name], {"documents": None}, NAMED)
    limits = find_limits(template)
    rule, asked = {"role": "system", "content": "the rule"}, {"role": "user", "content": "the question"}
    if "the question" not in template.render([asked], tools=limits.no_tools):
        pytest.skip("its messages are lists of parts")
    text = template.render(limits.fitted([rule, asked]), tools=limits.no_tools)
    assert "the rule" in text
    one = theirs(real_templates()[name], [asked, *call_turn("value 1")], [TOOL])
    if one is None or "value 1" not in one:
        pytest.skip("it has no tools")
    two = template.render(limits.fitted([asked, *call_turn("value 1", "value 2"), asked]), tools=[TOOL])
    assert two.index("value 1") < two.index("value 2")
    assert two.count("sample result") == 2


TOKENIZER = make_tokenizer(512)


def control(ids: list[int]) -> list[str]:
    return [text for text in TOKENIZER.convert_ids_to_tokens(ids) if text in (*SPECIAL, *MARKS)]


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(hostile([*SPECIAL, *MARKS]))
def test_the_trainers_prompts_hold_the_templates_control_tokens(data: dict[str, str]) -> None:
    encoder = ChatEncoder(TOKENIZER, "tiny")
    messages = [Message(role="system", content=data["system"]), Message(role="user", content=data["query"])]
    quiet = [message.model_copy(update={"content": "x"}) for message in messages]
    texts = [encoder.prompt(messages), encoder.prompt(quiet), encoder.answer(data["answer"])]
    ids, expected, answer = together = encoder.token_ids(texts)
    assert control(ids) == control(expected)
    assert control(answer) == ["<|im_end|>"]
    assert together == [one for text in texts for one in encoder.token_ids([text])]
    tools = conversation(data.__getitem__).tools
    calm = conversation(plain).tools
    for form in (
        Native(Codec(TOKENIZER)),
        Tags(Codec(TOKENIZER)),
        Tags(Codec(TOKENIZER), prompt="{tools}\n{query}"),
    ):
        assert control(form.prompt(data["query"], tools)) == control(form.prompt("x", calm))


def test_prompts_without_marks_have_the_tokens_that_they_always_had() -> None:
    encoder = ChatEncoder(TOKENIZER, "tiny")
    messages = [
        Message(role="system", content="simulator"),
        Message(role="user", content='{"a": [1, "<b>"]}'),
    ]
    listed = [{"role": message.role, "content": message.content} for message in messages]
    text = TOKENIZER.apply_chat_template(listed, tokenize=False, add_generation_prompt=True)
    assert encoder.prompt(messages) == text
    expected = [TOKENIZER(one)["input_ids"] for one in (text, '{"ok": true}' + encoder.end)]
    assert encoder.token_ids([encoder.prompt(messages), encoder.answer('{"ok": true}')]) == expected


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(hostile([*SPECIAL, *MARKS]))
def test_a_training_row_is_the_prompt_that_llama_cpp_is_sent(data: dict[str, str]) -> None:
    pytest.importorskip("llama_cpp")
    from artis_sdk.backends.llama_cpp.chat_template import ModelChat
    from artis_sdk.backends.llama_cpp.header import read_header
    from artis_sdk.backends.llama_cpp.model import Model
    from artis_sdk.records import Request

    path = gguf_model()
    model = Model(path, n_gpu_layers=0, adapters={})
    chat = ModelChat("tiny", model, read_header(path).chat_template, {})
    messages = (Message(role="system", content=data["system"]), Message(role="user", content=data["query"]))
    encoder = ChatEncoder(TOKENIZER, "tiny")
    assert [chat.prompt(Request(messages=messages))] == encoder.token_ids([encoder.prompt(messages)])
    model.close()


def test_a_template_whose_marks_cannot_be_distinguished_from_data_is_a_training_error() -> None:
    other = make_tokenizer(512)
    other.chat_template = (
        "{% for m in messages %}{{ '<|im_{}|>'.format(m.content[:0] + 'start') }}{% endfor %}"
    )
    with pytest.raises(TrainingError, match="cannot be distinguished"):
        ChatEncoder(other, "tiny")
