"""Requests to vLLM's prompts and sampling parameters, and its output to completions.

The chat template and the parser of thoughts are those of vLLM's own server, and so are the grammar and the
parser of calls in a format that only vLLM knows. Where `tool_formats` knows the format too, it holds and
reads the calls instead: at one broken call vLLM gives up all of them and returns the text as an answer, but
the agent needs the error. A chat template that teaches no calls gets the tools as text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from artis_sdk.backends.hosted.wire import encode
from artis_sdk.backends.openai.wire import message_object, tools_list
from artis_sdk.backends.tool_formats import TEXT
from artis_sdk.backends.tool_formats.as_text import text_messages
from artis_sdk.backends.vllm.answer import EngineAnswer
from artis_sdk.backends.vllm.prompts import EnginePrompts
from artis_sdk.backends.vllm.structural_tags import free_tag, held_tag, schema_tag, with_few_blanks
from artis_sdk.backends.vllm.tool_parsers import READ_HERE, guess_tool_parser
from artis_sdk.errors import ConfigurationError, ContextOverflow, RequestRejected
from artis_sdk.records import (
    Message,
    Request,
    ToolSpec,
    answer_limit,
)
from artis_sdk.records.thinking import ends_in_thought

if TYPE_CHECKING:
    from vllm import SamplingParams
    from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
    from vllm.parser import Parser
    from vllm.v1.engine.async_llm import AsyncLLM

_WIRE = "vllm"
_REMEMBERED = 64  # tool lists with their tool choices


@dataclass(slots=True)
class _Offer:
    """One list of tools with one tool choice, in vLLM's form."""

    tools: tuple[ToolSpec, ...]  # kept alive, so that no other list gets its id
    template_tools: list[dict[str, Any]]
    request: ChatCompletionRequest


class ChatTranslator:
    """Translator of one engine's prompts and outputs.

    Args:
        name: the backend's name, for errors.
        llm: the running engine.
        tool_parser: vLLM's name of the model's call format; None for the format of the chat template.
        template_arguments: variables for the chat template beside messages and tools.

    Raises:
        ConfigurationError: vLLM has no parser of this name, or the parser does not fit the tokenizer.
    """

    def __init__(
        self, name: str, llm: AsyncLLM, tool_parser: str | None, template_arguments: Mapping[str, Any]
    ) -> None:
        from vllm.parser import ParserManager
        from vllm.v1.structured_output.backend_xgrammar import has_xgrammar_unsupported_json_features

        self._name = name
        self._cannot_hold = has_xgrammar_unsupported_json_features
        self._renderer = llm.renderer
        self._config = llm.model_config
        self._sampling = self._config.get_diff_sampling_param()
        self._template_arguments = {"add_generation_prompt": True, **template_arguments}
        self._prompts = EnginePrompts(name, llm, template_arguments)
        self._offers: dict[tuple[int, str], _Offer] = {}
        template = getattr(self._renderer.tokenizer, "chat_template", None)
        self._tool_parser = tool_parser or guess_tool_parser(template)
        self._format = READ_HERE.get(self._tool_parser) if self._tool_parser else TEXT
        self.holds_calls = self._format is not None and not any(
            # xgrammar sees no text of a special token, and vLLM has grammars of its own for those
            special in mark
            for special in self._renderer.tokenizer.all_special_tokens
            for mark in self._format.marks
        )
        """Whether every call fits its tool's schema by a grammar of ours."""
        self._tags: dict[tuple[int, str, bool], tuple[tuple[ToolSpec, ...], str]] = {}
        self._reasoning = llm.vllm_config.structured_outputs_config.reasoning_parser or None
        try:
            self._parser_type = ParserManager.get_parser(
                tool_parser_name=self._tool_parser,
                reasoning_parser_name=self._reasoning,
                enable_auto_tools=True,
                model_name=self._config.model,
                is_harmony=self._config.hf_config.model_type == "gpt_oss",
                tokenizer=self._renderer.tokenizer,
            )
        except (TypeError, KeyError) as error:
            raise ConfigurationError(f"{name}: {error}") from error

    @property
    def window(self) -> int:
        """The context window in tokens."""
        return int(self._config.max_model_len)

    def count_tokens(self, text: str) -> int:
        """Number of tokens of a text, without special tokens."""
        return len(self._renderer.tokenizer.encode(text, add_special_tokens=False))

    async def prompt(self, request: Request) -> Any:
        """The prompt of a request as tokens, through the chat template.

        Raises:
            ContextOverflow: the prompt leaves no room for an answer.
            RequestRejected: the chat template refuses the messages.
            ConfigurationError: the chat template's control tokens cannot be distinguished from data.
        """
        tools: list[dict[str, Any]] | None = None
        if self._format is TEXT:
            offered = () if request.tool_choice == "none" else request.tools
            messages = text_messages(request.messages, offered)
        else:
            tools = self._offer(request).template_tools if request.tools else None
            messages = [_template_message(message) for message in request.messages]
        prompt = await self._prompts.prompt(messages, tools)
        length = len(prompt["prompt_token_ids"])
        if length >= self.window:
            raise ContextOverflow(
                self._name,
                f"the prompt has {length} tokens, and the context of {self.window} has no room for an answer",
            )
        return prompt

    def opens_thought(self, request: Request) -> bool:
        """Whether the prompt of a request, once made, ends in a thought that the answer continues."""
        return ends_in_thought(self._turn_opening(request))

    def _turn_opening(self, request: Request) -> str:
        """What the template wrote at the beginning of the model's turn in the last prompt of this kind."""
        tools = self._format is not TEXT and bool(request.tools)
        role = request.messages[-1].role
        if self._format is TEXT and role == "tool":
            role = "user"
        return self._prompts.turn_opening(tools, role)

    def parameters(
        self, request: Request, prompt_tokens: int, *, stream: bool, thinking: bool = False
    ) -> SamplingParams:
        """Sampling parameters of a request; unset ones come from the model's own generation config.

        Args:
            prompt_tokens: length of its prompt.
            stream: whether to stream its text.
            thinking: whether the prompt ends in a thought.

        Raises:
            RequestRejected: the grammar engine cannot enforce the schema's rules.
        """
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

        room = self.window - prompt_tokens
        settings = {"temperature": 1.0, "max_tokens": answer_limit(self.window), **self._sampling}
        settings["max_tokens"] = min(request.max_tokens or settings["max_tokens"], room)
        if request.temperature is not None:
            settings["temperature"] = request.temperature
        if request.top_p is not None:
            settings["top_p"] = request.top_p
        structured = None
        if request.schema is not None:
            if self._cannot_hold(request.schema):
                raise RequestRejected(
                    self._name, "the schema has rules that xgrammar cannot enforce; simplify it"
                )
            structured = StructuredOutputsParams(structural_tag=json.dumps(schema_tag(request.schema)))
        if request.tools and request.tool_choice != "none":
            if self._tool_parser is not None:
                settings["skip_special_tokens"] = self._offer(request).request.skip_special_tokens
            if structured is None or request.tool_choice == "required":
                structured = self._held(request, thinking and not self._reasoning)
        return SamplingParams(
            **settings,
            seed=request.seed,
            stop=list(request.stop),
            logprobs=0 if request.logprobs else None,
            structured_outputs=structured,
            output_kind=RequestOutputKind.DELTA if stream else RequestOutputKind.FINAL_ONLY,
        )

    def answer(self, request: Request, prompt: Any, *, stream: bool) -> EngineAnswer:
        """A collector of one request's output.

        Args:
            prompt: result of `prompt` for the request.
            stream: whether to stream its text.
        """
        tools_on = bool(request.tools) and request.tool_choice != "none"
        answer = EngineAnswer(self._name, self._config.model)
        if tools_on:
            answer.format, answer.tools, answer.messages = self._format, request.tools, request.messages
            opening = self._turn_opening(request)
            at_once = request.tool_choice == "required" and ends_in_thought(opening)
            if not self._reasoning and not at_once:  # a call that is required is in no thought
                answer.turn_opening = opening
        parsed = tools_on and self._tool_parser is not None
        if self._parser_type is None or not (parsed or self._reasoning):
            return answer
        wire = self._offer(request).request if parsed else self._plain_request()
        answer.request, answer.parser = wire, self._parser(wire)
        if stream:
            answer.streaming_parser = self._parser(wire)
        if self._reasoning:  # a grammar starts at the end of the thoughts
            ended = wire.resolve_reasoning_ended(answer.parser, prompt["prompt_token_ids"])
            arguments = {"chat_template_kwargs": self._template_arguments}
            answer.engine_arguments = {"reasoning_ended": ended, "reasoning_parser_kwargs": arguments}
        return answer

    def _held(self, request: Request, thinking: bool) -> Any:
        """The grammar of an answer to offered tools; None for one that cannot be held.

        Raises:
            RequestRejected: a call is required, and the grammar engine cannot enforce a schema's rules.
        """
        from vllm.sampling_params import StructuredOutputsParams

        if not self.holds_calls:
            return self._offer(request).request.structured_outputs
        assert self._format is not None
        required = request.tool_choice == "required"
        if any(self._cannot_hold(tool.parameters) for tool in request.tools):
            if required:
                raise RequestRejected(self._name, "a tool's schema has rules that xgrammar cannot hold")
            return None  # the call table checks the arguments in any case
        key = (id(request.tools), request.tool_choice, thinking)
        known = self._tags.get(key)
        if known is None:
            if len(self._tags) >= _REMEMBERED:
                self._tags.clear()
            tag = (
                held_tag(self._format.form(request.tools))
                if required
                else free_tag(self._format.openings(request.tools), thinking=thinking)
            )
            known = self._tags[key] = (request.tools, json.dumps(tag))  # the tools keep their id alive
        return StructuredOutputsParams(structural_tag=known[1])

    def _parser(self, wire: ChatCompletionRequest) -> Parser:
        assert self._parser_type is not None
        return self._parser_type(
            self._renderer.tokenizer,
            wire.tools,
            model_config=self._config,
            chat_template_kwargs=self._template_arguments,
        )

    def _offer(self, request: Request) -> _Offer:
        key = (id(request.tools), request.tool_choice)
        known = self._offers.get(key)
        if known is None:
            if len(self._offers) >= _REMEMBERED:
                self._offers.clear()
            known = self._offers[key] = self._make_offer(request)
        return known

    def _make_offer(self, request: Request) -> _Offer:
        from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest

        tools = from_json(encode(tools_list(request.tools, strict=True)))
        wire = ChatCompletionRequest(messages=[], tools=tools, tool_choice=request.tool_choice)
        if request.tool_choice != "none":
            wire = self._parser(wire).adjust_request(wire)
            if wire.structured_outputs is not None and wire.structured_outputs.structural_tag:
                tag = with_few_blanks(wire.structured_outputs.structural_tag)
                wire.structured_outputs = replace(wire.structured_outputs, structural_tag=tag)
        return _Offer(request.tools, [tool.model_dump() for tool in wire.tools or ()], wire)

    def _plain_request(self) -> ChatCompletionRequest:
        from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest

        return ChatCompletionRequest(messages=[])


def _template_message(message: Message) -> Any:
    """A message in the form of chat templates, translated once."""
    wire = message._wire.get(_WIRE)
    if wire is None:
        wire = message._wire[_WIRE] = from_json(encode(message_object(message, broken=False)))
    return wire
