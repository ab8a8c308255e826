"""Requests to vLLM's prompts and sampling parameters, and its output to completions.

The chat template, the grammars of tool calls, and the parsers of thoughts and calls are those of vLLM's
own server, for every format that it knows. Only if `tool_formats` knows the format too does it read the
calls instead: at one broken call vLLM gives up all of them and returns the text as an answer, but the
agent needs the error.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from artis_sdk.backends.hosted.wire import encode, read_call
from artis_sdk.backends.openai.wire import message_object, tools_list
from artis_sdk.backends.tool_formats import ToolCallFormat
from artis_sdk.backends.vllm.prompts import EnginePrompts
from artis_sdk.backends.vllm.tool_parsers import READ_HERE, guess_tool_parser, schema_tag, with_few_blanks
from artis_sdk.errors import BackendError, ConfigurationError, ContextOverflow, RequestRejected
from artis_sdk.records import (
    Completion,
    FinishReason,
    Message,
    Request,
    TokenLogprob,
    ToolCall,
    ToolSpec,
    Usage,
)

if TYPE_CHECKING:
    from vllm import SamplingParams
    from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
    from vllm.outputs import RequestOutput
    from vllm.parser import Parser
    from vllm.v1.engine.async_llm import AsyncLLM

_WIRE = "vllm"
_REMEMBERED = 64  # tool lists with their tool choices
_FINISHED: dict[str, FinishReason] = {"stop": "stop", "length": "length", "repetition": "length"}


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
            RequestRejected: the chat template refuses the messages, or the request offers tools to a model
                whose call format is unknown.
            ConfigurationError: the chat template's control tokens cannot be told from data.
        """
        tools = self._offer(request).template_tools if request.tools else None
        messages = [_template_message(message) for message in request.messages]
        prompt = await self._prompts.prompt(messages, tools)
        length = len(prompt["prompt_token_ids"])
        if length >= self.window:
            raise ContextOverflow(
                self._name, f"the prompt has {length} tokens, the context {self.window}: nothing fits behind"
            )
        return prompt

    def parameters(self, request: Request, prompt_tokens: int, *, stream: bool) -> SamplingParams:
        """Sampling parameters of a request; unset ones come from the model's own generation config.

        Raises:
            RequestRejected: the grammar engine cannot enforce the schema's rules.
        """
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

        room = self.window - prompt_tokens
        settings = {**self._sampling, "temperature": request.temperature}
        settings["max_tokens"] = min(request.max_tokens or settings.get("max_tokens") or room, room)
        if request.top_p is not None:
            settings["top_p"] = request.top_p
        structured = None
        if request.schema is not None:
            if self._cannot_hold(request.schema):
                raise RequestRejected(self._name, "the schema asks for what xgrammar cannot hold a model to")
            structured = StructuredOutputsParams(structural_tag=json.dumps(schema_tag(request.schema)))
        if request.tools and request.tool_choice != "none":
            adjusted = self._offer(request).request
            settings["skip_special_tokens"] = adjusted.skip_special_tokens
            if structured is None or request.tool_choice == "required":
                structured = adjusted.structured_outputs
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
        if self._parser_type is None or not (tools_on or self._reasoning):
            return EngineAnswer(self._name, self._config.model)
        wire = self._offer(request).request if tools_on else self._plain_request()
        answer = EngineAnswer(self._name, self._config.model, wire, self._parser(wire))
        if tools_on:
            answer.format = READ_HERE.get(self._tool_parser or "")
        if stream:
            answer.streaming_parser = self._parser(wire)
        if self._reasoning:  # a grammar starts at the end of the thoughts
            ended = wire.resolve_reasoning_ended(answer.parser, prompt["prompt_token_ids"])
            arguments = {"chat_template_kwargs": self._template_arguments}
            answer.engine_arguments = {"reasoning_ended": ended, "reasoning_parser_kwargs": arguments}
        return answer

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

        if self._tool_parser is None:
            raise RequestRejected(
                self._name,
                "the chat template shows no call format that is known: name vLLM's parser (tool_parser=),"
                " or offer the tools as text",
            )
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


@dataclass(slots=True)
class EngineAnswer:
    """The output of one request, as it is generated."""

    backend: str
    model: str
    request: Any = None  # vLLM's ChatCompletionRequest; None without a parser
    parser: Parser | None = None
    streaming_parser: Parser | None = None
    format: ToolCallFormat | None = None
    engine_arguments: dict[str, Any] = field(default_factory=dict)
    raw: str = ""
    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    ids: list[int] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    output: RequestOutput | None = None

    def feed(self, output: RequestOutput) -> str:
        """Add one output, and return the text that it adds to the answer."""
        self.output = output
        piece = output.outputs[0]
        text: str = piece.text
        self.raw += text
        self.ids += piece.token_ids
        if piece.logprobs:
            self.logprobs += map(_token_logprob, piece.token_ids, piece.logprobs)
        if self.streaming_parser is not None:
            delta = self.streaming_parser.parse_delta(
                text,
                list(piece.token_ids),
                self.request,
                prompt_token_ids=output.prompt_token_ids,
                finished=output.finished,
            )
            text = (delta.content if delta is not None else None) or ""
        self.text += text
        if not output.finished:
            return text
        whole, self.calls = self._read()
        if self.streaming_parser is None:
            self.text = whole
        elif whole.startswith(self.text):  # text held back as a possible call
            text += whole[len(self.text) :]
            self.text = whole
        return text

    def completion(self, *, with_logprobs: bool, request_id: str) -> Completion:
        """The whole answer.

        Raises:
            BackendError: the engine ended the request with no regular finish reason.
        """
        assert self.output is not None
        reason = self.output.outputs[0].finish_reason or "nothing"
        finish = _FINISHED.get(reason)
        if finish is None:
            raise BackendError(self.backend, f"the engine ended the request with {reason!r}")
        if self.calls and finish == "stop":
            finish = "tool_calls"
        return Completion(
            text=self.text,
            tool_calls=self.calls,
            finish_reason=finish,
            usage=Usage(
                requests=1,
                prompt_tokens=len(self.output.prompt_token_ids or ()),
                cached_tokens=self.output.num_cached_tokens or 0,
                completion_tokens=len(self.ids),
            ),
            raw=self.raw,
            model=self.model,
            request_id=request_id,
            logprobs=tuple(self.logprobs) if with_logprobs else None,
        )

    def _read(self) -> tuple[str, tuple[ToolCall, ...]]:
        if self.parser is None:
            return self.raw, ()
        if self.format is not None:
            _, content = self.parser.extract_reasoning(self.raw, self.request)
            return self.format.read(content or "")
        _, content, calls = self.parser.parse(
            self.raw, self.request, enable_auto_tools=True, model_output_token_ids=self.ids
        )
        taken: set[str] = set()
        return content or "", tuple(
            [read_call(call.id, call.name, call.arguments, taken) for call in calls or ()]
        )


def _template_message(message: Message) -> Any:
    """A message in the form of chat templates, translated once."""
    wire = message._wire.get(_WIRE)
    if wire is None:
        wire = message._wire[_WIRE] = from_json(encode(message_object(message, broken=False)))
    return wire


def _token_logprob(token: int, choices: Mapping[int, Any]) -> TokenLogprob:
    chosen = choices[token]
    return TokenLogprob(token=chosen.decoded_token or "", id=token, logprob=chosen.logprob)
