"""One request's output of a vLLM engine, read as it arrives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from artis_sdk.backends.hosted.wire import read_call
from artis_sdk.backends.tool_formats import ToolCallFormat, read_answer
from artis_sdk.backends.tool_formats.quoted import without_quotations
from artis_sdk.errors import BackendError
from artis_sdk.records import Completion, FinishReason, Message, TokenLogprob, ToolCall, ToolSpec, Usage

if TYPE_CHECKING:
    from vllm.outputs import RequestOutput
    from vllm.parser import Parser

_FINISHED: dict[str, FinishReason] = {"stop": "stop", "length": "length", "repetition": "length"}


@dataclass(slots=True)
class EngineAnswer:
    """The output of one request, as it is generated."""

    backend: str
    model: str
    request: Any = None  # vLLM's ChatCompletionRequest; None without a parser
    parser: Parser | None = None
    streaming_parser: Parser | None = None
    tools: tuple[ToolSpec, ...] = ()
    messages: tuple[Message, ...] = ()
    format: ToolCallFormat | None = None
    turn_opening: str = ""
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
        elif self.format is not None:  # any of it may turn out to be a call
            text = ""
        self.text += text
        if not output.finished:
            return text
        whole, self.calls = self._read()
        if self.streaming_parser is None and self.format is None:
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
        content: str | None = self.raw
        if self.format is not None:
            if self.parser is not None:
                _, content = self.parser.extract_reasoning(self.raw, self.request)
            return self._read_here(content or "")
        if self.parser is None:
            return self.raw, ()
        _, content, calls = self.parser.parse(
            self.raw, self.request, enable_auto_tools=True, model_output_token_ids=self.ids
        )
        if not calls:  # what vLLM's parser gives up is text to it
            return self._read_here(content or "")
        taken: set[str] = set()
        return content or "", tuple([read_call(call.id, call.name, call.arguments, taken) for call in calls])

    def _read_here(self, content: str) -> tuple[str, tuple[ToolCall, ...]]:
        answer = read_answer(content, self.tools, self.format, self.turn_opening)
        return answer.said, without_quotations(answer.calls, self.messages)


def _token_logprob(token: int, choices: Mapping[int, Any]) -> TokenLogprob:
    chosen = choices[token]
    return TokenLogprob(token=chosen.decoded_token or "", id=token, logprob=chosen.logprob)
