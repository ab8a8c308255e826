"""vLLM in two ways: an engine in process, or any `vllm serve` behind a URL.

In process one engine serves every user of the backend: the agent on the base model, the trained
simulator as a LoRA adapter beside it, rehearsals and, at a higher priority, a commit.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from artis_sdk.backends.hosted.http_errors import secrets_of
from artis_sdk.backends.hosted.wire import encode
from artis_sdk.backends.openai.completions import OpenAIBackend
from artis_sdk.backends.vllm.engine import Engine
from artis_sdk.backends.vllm.structural_tags import schema_tag
from artis_sdk.backends.vllm.tool_parsers import READ_HERE, guess_tool_parser, template_of
from artis_sdk.backends.vllm.translate import ChatTranslator
from artis_sdk.contracts import Backend
from artis_sdk.errors import ConfigurationError
from artis_sdk.records import Capabilities, Completion, Request, ToolSpec, new_id

_NO_KEY = "none"
_AT_ONCE = 1024  # requests; waiting ones belong in the server, which orders them by priority, not by arrival
_BYTES_PER_TOKEN = 3  # a cautious estimate until the tokenizer is loaded

T = TypeVar("T")


class VLLMBackend:
    """An engine in process, started by the first request or `start`.

    Args:
        model: path or hub id.
        adapters: LoRA adapters by name, each a peft folder or hub id; a request names one.
        tool_parser: vLLM's name of the model's call format; by default the format of the chat template.
        chat_template_kwargs: variables for the chat template, such as `{"enable_thinking": False}`.
        engine_args: further arguments of vLLM's `AsyncEngineArgs`, such as
            `{"tensor_parallel_size": 2}`; they override this backend's own.

    Raises:
        ConfigurationError: a folder contains no adapter.
        MissingExtraError: vLLM is not installed.
    """

    def __init__(
        self,
        model: str,
        *,
        adapters: Mapping[str, str | Path] | None = None,
        tool_parser: str | None = None,
        chat_template_kwargs: Mapping[str, Any] | None = None,
        engine_args: Mapping[str, Any] | None = None,
    ) -> None:
        self._engine = Engine(f"vllm:{model}", model, adapters or {}, engine_args or {})
        self._adapters = bool(adapters)
        self._tool_parser = tool_parser
        parser = tool_parser or guess_tool_parser(template_of(model))  # a guess for a model on the hub
        self._holds_calls = parser is None or parser in READ_HERE
        self._template_arguments = dict(chat_template_kwargs or {})
        self._chat: ChatTranslator | None = None
        self._making = asyncio.Lock()

    @staticmethod
    def from_spec(model: str, *, base_url: str | None = None, **options: Any) -> Backend:
        """The backend of `resolve("vllm:MODEL", ...)`: with `base_url` a server's client, else an engine.

        Args:
            base_url: URL of a running server, ending in `/v1`; `model` is then its served model name.
            options: arguments of `VLLMServer` or of `VLLMBackend`.

        Raises:
            ConfigurationError: the class does not accept an option.
        """
        made: Callable[..., Backend] = VLLMBackend
        if base_url is not None:
            made, options = VLLMServer, {"base_url": base_url, **options}
        try:
            inspect.signature(made).bind(model, **options)
        except TypeError as error:
            way = "in process" if base_url is None else "with base_url"
            raise ConfigurationError(f"vllm:{model} {way}: {error}") from None
        return made(model, **options)

    def __repr__(self) -> str:
        return f"<VLLMBackend {self.name}>"

    @property
    def name(self) -> str:
        return self._engine.name

    @property
    def capabilities(self) -> Capabilities:
        """The model's capabilities; the context window is unknown until the engine has started."""
        return Capabilities(
            local=True,
            held_calls=self._holds_calls if self._chat is None else self._chat.holds_calls,
            seed=True,
            logprobs=True,
            adapters=self._adapters,
            streaming=True,
            context_window=self._engine.context_window,
        )

    @property
    def process_ids(self) -> list[int]:
        """Ids of the engine's own processes, its core and its workers; empty before the start."""
        return self._engine.process_ids

    @property
    def requests_under_way(self) -> int:
        """Number of running and waiting requests in the engine."""
        return self._engine.requests_under_way

    async def start(self) -> None:
        """Start the engine now rather than with the first request."""
        await self._ready()

    def count_tokens(self, text: str) -> int:
        """Number of tokens of a text, without special tokens; before the start a cautious estimate."""
        if self._chat is None:
            return -(-len(text.encode(errors="surrogatepass")) // _BYTES_PER_TOKEN)
        return self._chat.count_tokens(text)

    async def complete(
        self, request: Request, *, on_token: Callable[[str], None] | None = None
    ) -> Completion:
        """Answer one request; see `contracts.Backend.complete`.

        Raises:
            ConfigurationError: another event loop uses this engine, no adapter has the requested name, or
                vLLM refuses the arguments.
            EngineDead: the engine's process has ended.
            BackendError: every other failure.
        """
        chat = await self._ready()
        adapter = await self._engine.adapter(request.adapter)
        stream = on_token is not None
        with self._engine.typed_errors():
            prompt = await _cancellable(chat.prompt(request))
            parameters = chat.parameters(
                request,
                len(prompt["prompt_token_ids"]),
                stream=stream,
                thinking=chat.opens_thought(request),
            )
            answer = chat.answer(request, prompt, stream=stream)
        request_id = new_id()
        outputs = self._engine.generate(
            prompt,
            parameters,
            request_id,
            adapter=adapter,
            priority=request.priority,
            **answer.engine_arguments,
        )
        async with aclosing(outputs):
            async for output in outputs:
                piece = answer.feed(output)
                if on_token is not None and piece:
                    on_token(piece)
        return answer.completion(with_logprobs=request.logprobs, request_id=request_id)

    async def aclose(self) -> None:
        """End the engine and its processes; unfinished requests end with `BackendClosed`."""
        await self._engine.aclose()

    async def _ready(self) -> ChatTranslator:
        llm = await self._engine.llm()
        if self._chat is None:
            async with self._making:
                if self._chat is None:  # its imports would block the event loop
                    self._chat = await asyncio.to_thread(
                        ChatTranslator, self.name, llm, self._tool_parser, self._template_arguments
                    )
        return self._chat


async def _cancellable(making: Awaitable[T]) -> T:
    """The result, unless this task was cancelled meanwhile: vLLM waits for a chat template by
    `asyncio.wait_for`, which in Python 3.11 drops a cancellation that comes as the template is ready
    (python/cpython issue 86296)."""
    task = asyncio.current_task()
    cancelled_before = 0 if task is None else task.cancelling()
    made = await making
    if task is not None and task.cancelling() > cancelled_before:
        raise asyncio.CancelledError
    return made


class VLLMServer(OpenAIBackend):
    """A `vllm serve` behind a URL: chat completions with vLLM's additions.

    Args:
        model: the server's served model name.
        base_url: URL of the server, ending in `/v1`.
        chat_template_kwargs: variables for the chat template, such as `{"enable_thinking": False}`.
        api_key: the server's key, if it needs one; no other provider's key is sent.
        extra_body: additional fields of every request.
        options: further arguments of `OpenAIBackend`.
    """

    prefix = "vllm"
    description = sys.maxsize
    unset_temperature = None

    def __init__(
        self,
        model: str,
        *,
        base_url: str,
        chat_template_kwargs: Mapping[str, Any] | None = None,
        api_key: str = _NO_KEY,
        extra_body: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        taken = inspect.signature(OpenAIBackend).parameters
        unknown = [option for option in options if option not in taken]
        if unknown:
            raise ConfigurationError(f"vllm:{model} with base_url does not accept {', '.join(unknown)}")
        template = {"chat_template_kwargs": dict(chat_template_kwargs)} if chat_template_kwargs else {}
        super().__init__(
            model,
            base_url=base_url,
            api_key=api_key,
            extra_body={**template, **(extra_body or {})},
            **{"strict_tools": True, "max_concurrency": _AT_ONCE, **options},
        )
        if api_key == _NO_KEY:
            self._secrets = secrets_of(None, self._headers)  # the word itself is in many a message
        self._capabilities = replace(self._capabilities, adapters=True)

    def is_strict(self, tool: ToolSpec) -> bool:
        return self._strict_tools  # vLLM holds a call to any schema

    def schema_json(self, schema: dict[str, Any]) -> bytes:
        return encode(schema_tag(schema))

    def fields(self, request: Request, *, stream: bool) -> dict[str, Any]:
        fields = super().fields(request, stream=stream)
        if request.adapter is not None:
            fields["model"] = request.adapter  # vLLM serves an adapter as a model of its own name
        if request.priority:
            fields["priority"] = request.priority
        return fields
