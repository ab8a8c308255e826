"""OpenAI's chat completions, and every server that speaks them: vLLM, llama.cpp, gateways."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic_core import to_json

from artis_sdk.backends.hosted.api import Api
from artis_sdk.backends.hosted.base import (
    DEFAULT_CONCURRENCY,
    DEFAULT_TIMEOUT,
    NO_TEMPERATURE,
    Assembly,
    HostedBackend,
)
from artis_sdk.backends.hosted.retry import RetryPolicy
from artis_sdk.backends.hosted.wire import Remembered, fragments, is_closed
from artis_sdk.backends.openai.wire import (
    StreamedCompletion,
    message_json,
    read_completion,
    schema_json,
    tools_json,
)
from artis_sdk.records import Capabilities, Completion, Request

API = Api(
    official="https://api.openai.com/v1",
    url_variable="OPENAI_BASE_URL",
    key_variable="OPENAI_API_KEY",
    ours=frozenset({"model", "messages", "tools", "tool_choice", "stream", "stream_options"}),
)

# The official models that take a temperature, a top-p and log-probabilities; reasoning models refuse
# every request that has them.
_SAMPLING_MODELS = ("gpt-3.5", "gpt-4", "chatgpt-4o", "ft:gpt-3.5", "ft:gpt-4")


class OpenAIBackend(HostedBackend):
    """A model behind a chat-completions endpoint.

    Differences between OpenAI's own server and others have a default by `base_url`, and an option:
    the official server gets `max_completion_tokens`, others `max_tokens`; its reasoning models get no
    temperature or top-p (`capabilities.temperature` is then False, and the first request with one is
    logged as a warning); a seed, which it does not honour, goes only to others; and a schema is sent
    as strict only if strict mode accepts it.

    Args:
        model: name of the model on the server.
        base_url: URL with `/v1`; by default OPENAI_BASE_URL of the environment, else OpenAI.
        api_key: key; by default OPENAI_API_KEY of the environment. OpenAI needs one; another server
            without one receives the key `none`.
        organization: OpenAI organization.
        project: OpenAI project.
        timeout: seconds for one whole answer, connecting included.
        max_concurrency: requests under way at once.
        retry: retry policy for failed requests.
        max_tokens: maximum tokens of requests that set none; None leaves it to the server.
        max_tokens_field: the server's field for it.
        sampling: whether the model takes temperature, top-p and log-probabilities.
        strict_tools: whether the server must hold every call to its tool's schema; OpenAI then
            refuses schemas with optional parameters.
        extra_body: fields added to every request, such as `{"reasoning_effort": "low"}`.
        extra_headers: headers added to every request.
        context_window: size of the context window in tokens, for `capabilities`.
    """

    prefix = "openai"
    extra = "openai"

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        organization: str | None = None,
        project: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        max_concurrency: int = DEFAULT_CONCURRENCY,
        retry: RetryPolicy | None = None,
        max_tokens: int | None = None,
        max_tokens_field: Literal["max_tokens", "max_completion_tokens"] | None = None,
        sampling: bool | None = None,
        strict_tools: bool = False,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        context_window: int | None = None,
    ) -> None:
        name = f"{self.prefix}:{model}"
        self._server = server = API.server(name, base_url, api_key, extra_body)
        official = server.is_official
        self._model = model
        self._organization = organization
        self._project = project
        self._headers = dict(extra_headers or {})
        self._extra_body = dict(extra_body or {})
        self._max_tokens = max_tokens
        self._max_tokens_field = max_tokens_field or ("max_completion_tokens" if official else "max_tokens")
        self._sampling = (
            (not official or model.startswith(_SAMPLING_MODELS)) if sampling is None else sampling
        )
        self._tools = Remembered(lambda tools: tools_json(tools, strict=strict_tools))
        self._schemas = Remembered(
            lambda schema: schema_json(schema, strict=not official or is_closed(schema, all_required=True))
        )
        super().__init__(
            name,
            url=f"{server.base_url}/chat/completions",
            secret=server.key,
            capabilities=Capabilities(
                seed=not official,
                logprobs=self._sampling,
                temperature=self._sampling,
                streaming=True,
                context_window=context_window,
            ),
            timeout=timeout,
            max_concurrency=max_concurrency,
            retry=retry,
        )

    def headers(self) -> Mapping[str, str]:
        import openai

        from artis_sdk.backends.hosted.http import sdk_headers

        return sdk_headers(
            openai.AsyncOpenAI,
            api_key=self._server.key or "none",
            organization=self._organization,
            project=self._project,
            base_url=self._server.base_url,
            default_headers=self._headers,
        )

    def fields(self, request: Request, *, stream: bool) -> dict[str, Any]:
        """The request's settings: every field but messages, tools and schema. Subclasses add theirs."""
        fields: dict[str, Any] = {"model": self._model}
        if self._sampling:
            fields["temperature"] = request.temperature
            if request.top_p is not None:
                fields["top_p"] = request.top_p
            if request.logprobs:
                fields["logprobs"] = True
        elif request.temperature != 1.0:
            self.warn_once(NO_TEMPERATURE)
        max_tokens = request.max_tokens or self._max_tokens
        if max_tokens is not None:
            fields[self._max_tokens_field] = max_tokens
        if request.stop:
            fields["stop"] = request.stop
        if request.seed is not None and self._capabilities.seed:
            fields["seed"] = request.seed
        if request.tools and request.tool_choice != "auto":
            fields["tool_choice"] = request.tool_choice
        if stream:
            fields["stream"] = True
            fields["stream_options"] = {"include_usage": True}
        fields.update(self._extra_body)
        return fields

    def encode(self, request: Request, *, stream: bool) -> bytes:
        parts = [to_json(self.fields(request, stream=stream))[:-1]]
        if request.tools:
            parts += (b',"tools":', self._tools(request.tools))
        if request.schema is not None:
            parts += (b',"response_format":', self._schemas(request.schema))
        parts += (b',"messages":[', b",".join(fragments(request.messages, "openai", message_json)), b"]}")
        return b"".join(parts)

    def decode(self, data: Any, request_id: str | None) -> Completion:
        return read_completion(data, request_id)

    def assembly(self) -> Assembly:
        return StreamedCompletion()
