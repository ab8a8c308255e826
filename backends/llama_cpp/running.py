"""A loaded model with its context and its thread: requests to jobs, results to completions."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from artis_sdk.backends.llama_cpp.chat_template import ModelChat
from artis_sdk.backends.llama_cpp.context import Context
from artis_sdk.backends.llama_cpp.grammar import GrammarRefused, Grammars, Matcher
from artis_sdk.backends.llama_cpp.header import Header
from artis_sdk.backends.llama_cpp.job import Generation, Job
from artis_sdk.backends.llama_cpp.model import Model
from artis_sdk.backends.llama_cpp.sampling import Sampler
from artis_sdk.backends.llama_cpp.scheduler import Scheduler
from artis_sdk.backends.llama_cpp.slots import Slots
from artis_sdk.backends.llama_cpp.text import TextStream
from artis_sdk.backends.tool_formats import TEXT, ToolCallFormat, read_answer
from artis_sdk.backends.tool_formats.lark import free_grammar, held_grammar
from artis_sdk.backends.tool_formats.quoted import without_quotations
from artis_sdk.errors import (
    BackendClosed,
    ConfigurationError,
    ContextOverflow,
    MissingExtraError,
    RequestRejected,
)
from artis_sdk.records import (
    Completion,
    FinishReason,
    Request,
    TokenLogprob,
    ToolCall,
    ToolSpec,
    Usage,
    answer_limit,
    new_id,
)
from artis_sdk.records.thinking import THOUGHTS, ends_in_thought

_PROMPT_CHUNK = 128  # prefill tokens in a batch that also decodes


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextSettings:
    """The settings of `LlamaCppBackend`; see there."""

    n_ctx: int | None
    n_seq: int
    n_threads: int
    n_gpu_layers: int
    n_batch: int
    adapters: Mapping[str, Path]
    max_tokens: int | None
    chat_template: str | None
    chat_template_kwargs: Mapping[str, Any]


class LoadedModel:
    """A model, its context and its scheduler. The constructor loads them, and blocks.

    Raises:
        ConfigurationError: the model, an adapter or the chat template cannot be used.
        MissingExtraError: llama-cpp-python is not installed.
    """

    def __init__(
        self, name: str, path: Path, header: Header, settings: ContextSettings, *, n_ctx: int
    ) -> None:
        try:
            import numpy as np
        except ImportError as error:
            raise MissingExtraError("the llama_cpp backend", "llama") from error
        self._np = np
        self._name = name
        self._n_ctx = n_ctx
        self._max_tokens = settings.max_tokens or answer_limit(n_ctx)
        self._card = header.sampling
        self._grammars: Grammars
        self._users = 0  # threads that are reading the model
        self._users_changed = threading.Condition()
        self._closed = False
        self.model = Model(path, n_gpu_layers=settings.n_gpu_layers, adapters=settings.adapters)
        try:
            template = settings.chat_template or header.chat_template
            with_tools = None if settings.chat_template else header.tool_template
            self._chat = ModelChat(name, self.model, template, settings.chat_template_kwargs, with_tools)
            self._grammars = Grammars(self.model)
            context = Context(
                self.model,
                n_ctx=n_ctx,
                n_seq=settings.n_seq,
                n_threads=settings.n_threads,
                n_batch=settings.n_batch,
                gpu=settings.n_gpu_layers != 0 and self.model.on_gpu,
            )
        except ConfigurationError:
            self.model.close()
            raise
        slots = Slots(settings.n_seq, n_ctx, share=self.model.can_be_cut)
        self.scheduler = Scheduler(name, self.model, context, slots, prompt_chunk=_PROMPT_CHUNK)

    def job(self, request: Request, loop: asyncio.AbstractEventLoop, *, streamed: bool) -> Job:
        """A request's job. Renders, tokenizes and compiles, so do not call it on the event loop.

        Raises:
            BackendClosed: the backend is closed.
            ContextOverflow: the prompt leaves no room for an answer.
            RequestRejected: the chat template or the grammar compiler refuses the request.
        """
        with self._reading():
            return self._job(request, loop, streamed=streamed)

    def _job(self, request: Request, loop: asyncio.AbstractEventLoop, *, streamed: bool) -> Job:
        text = self._chat.text(request)
        prompt = self._chat.tokens(text)
        room = self._n_ctx - len(prompt)
        if room < 1:
            raise ContextOverflow(
                self._name,
                f"the prompt has {len(prompt)} tokens, and the context holds {self._n_ctx}; shorten it or "
                "raise n_ctx",
            )
        if not prompt:
            raise RequestRejected(self._name, "the prompt is empty")
        marks = self._format.marks if _calls_wanted(request) else ()
        return Job(
            prompt=self._np.array(prompt, self._np.int32),
            limit=min(request.max_tokens or self._max_tokens, room),
            sampler=Sampler(
                temperature=_first(request.temperature, self._card.temperature, 1.0),
                top_p=_first(request.top_p, self._card.top_p, 1.0),
                seed=request.seed,
                matcher=self._matcher(request, text.own_end()),
                logprobs=request.logprobs,
                may_be_free=request.tool_choice == "auto" and request.schema is None,
            ),
            stream=TextStream((*request.stop, *self._chat.stop), marks),
            adapter=request.adapter,
            priority=request.priority,
            loop=loop,
            turn_opening="" if _call_at_once(request, text.own_end()) else text.own_end(),
            streamed=streamed,
        )

    def completion(self, request: Request, job: Job, generated: Generation) -> Completion:
        """The completion of a finished job."""
        text = generated.text
        calls: tuple[ToolCall, ...] = ()
        finish: FinishReason = generated.finish
        if _calls_wanted(request):
            answer = read_answer(generated.text, request.tools, self._format, job.turn_opening)
            text, calls = answer.said, without_quotations(answer.calls, request.messages)
            if calls and finish == "stop":
                finish = "tool_calls"
        logprobs = None
        if request.logprobs:
            with self._reading():
                pieces = [self.model.piece(token).decode("utf-8", "replace") for token in generated.tokens]
            logprobs = tuple(
                TokenLogprob(token=piece, id=token, logprob=min(logprob, 0.0))
                for piece, token, logprob in zip(pieces, generated.tokens, generated.logprobs, strict=True)
            )
        return Completion(
            text=text,
            tool_calls=calls,
            finish_reason=finish,
            usage=Usage(
                requests=1,
                prompt_tokens=len(job.prompt),
                cached_tokens=generated.cached,
                completion_tokens=len(generated.tokens),
                cpu_seconds=generated.cpu_seconds,
            ),
            raw=generated.text,
            model=self.model.path.name,
            request_id=new_id(),
            logprobs=logprobs,
        )

    def close(self) -> None:
        """End the thread and free everything; blocks.

        A thread finishes the prompt of a request that was cancelled meanwhile: the model is freed after
        that.
        """
        with self._users_changed:
            self._closed = True
            self._users_changed.wait_for(lambda: self._users == 0)
        self.scheduler.close()
        self.model.close()

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with self._users_changed:
            if self._closed:
                raise BackendClosed(self._name, "the backend is closed")
            self._users += 1
        try:
            yield
        finally:
            with self._users_changed:
                self._users -= 1
                self._users_changed.notify_all()

    @property
    def _format(self) -> ToolCallFormat:
        return self._chat.format or TEXT

    def _matcher(self, request: Request, turn_opening: str) -> Matcher | None:
        grammars = self._grammars
        try:
            if request.tools and request.tool_choice == "required":
                return grammars.lark(held_grammar(self._format.form(request.tools), grammars.special))
            if request.schema is not None:
                return grammars.schema(request.schema)
        except GrammarRefused as error:
            raise RequestRejected(self._name, f"llguidance cannot enforce this schema: {error}") from error
        return self._free(request.tools, turn_opening) if _calls_wanted(request) else None

    def _free(self, tools: Sequence[ToolSpec], turn_opening: str) -> Matcher | None:
        """The grammar of an answer that may be text; None for a tool whose schema cannot be compiled."""
        try:
            return self._grammars.lark(
                free_grammar(
                    self._format.openings(tools),
                    self._grammars.special,
                    self._grammars.specials(),
                    thoughts=THOUGHTS,
                    thinking=ends_in_thought(turn_opening),
                )
            )
        except GrammarRefused:  # the call table checks the arguments in any case
            return None


def _first(*values: float | None) -> float:
    """The first value that is set; the last one always is."""
    return next(value for value in values if value is not None)


def _call_at_once(request: Request, turn_opening: str) -> bool:
    """Whether the answer is held to a call although the prompt opens a thought: the call is none of its."""
    required = bool(request.tools) and request.tool_choice == "required"
    return required and ends_in_thought(turn_opening)


def _calls_wanted(request: Request) -> bool:
    return bool(request.tools) and request.tool_choice != "none"
