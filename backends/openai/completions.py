"""OpenAI's chat completions, and every server that speaks them: vLLM, llama.cpp, gateways."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

from pydantic_core import to_json

from artis_sdk.backends.hosted.api import Api
from artis_sdk.backends.hosted.base import DEFAULT_TIMEOUT, Assembly, HostedBackend
from artis_sdk.backends.hosted.http_errors import secrets_of
from artis_sdk.backends.hosted.names import own_names
from artis_sdk.backends.hosted.refusals import STOP, TEMPERATURE, TOOL_CHOICE, TOP_P, optional
from artis_sdk.backends.hosted.retry import RetryPolicy
from artis_sdk.backends.hosted.wire import Translated, fragments, is_closed
from artis_sdk.backends.openai.answers import read_completion
from artis_sdk.backends.openai.stream import StreamedCompletion
from artis_sdk.backends.openai.wire import fitted_tools, message_json, schema_json
from artis_sdk.records import Capabilities, Completion, Message, Request, ToolSpec, answer_limit

API = Api(
    official="https://api.openai.com/v1",
    url_variable="OPENAI_BASE_URL",
    key_variable="OPENAI_API_KEY",
    ours=frozenset({"model", "messages", "tools", "tool_choice", "stream", "stream_options"}),
)

# The official models that take a temperature, a top-p and log-probabilities; reasoning models refuse
# every request that has them.
_SAMPLING_MODELS = ("gpt-3.5", "gpt-4", "chatgpt-4o", "ft:gpt-3.5", "ft:gpt-4")
# Those that know no response format with a schema, and servers that know none.
_NO_SCHEMA_MODELS = re.compile(r"(?:ft:)?gpt-(?:3\.5|4(?:$|-(?!o)))|chatgpt-4o")
_NO_SCHEMA_SERVERS = ("https://api.deepseek.com",)

_REFUSABLE = (
    TEMPERATURE,
    TOP_P,
    STOP,
    TOOL_CHOICE,
    optional("logprobs", '"logprobs":', r"\blogprobs\b", "gives no log-probabilities"),
    optional("seed", '"seed":', r"\bseed\b", "takes no seed"),
    optional("stream_options", '"stream_options":', r"\bstream_options\b", "does not tell a stream's usage"),
    optional("max_tokens", '"max_tokens":', r"\bmax_tokens\b", "takes no max_tokens"),
    optional(
        "max_completion_tokens",
        '"max_completion_tokens":',
        r"\bmax_completion_tokens\b",
        "takes no max_completion_tokens",
    ),
    optional("strict", '"strict":', r"\bstrict\b", "has no strict mode"),
    optional(
        "schema",
        '"response_format":',
        r"response_?format|json_?schema|structured[ _]outputs?",
        "does not hold answers to a schema; the prompt describes the form in words",
    ),
    optional(
        "thoughts",
        '"reasoning',
        r"\breasoning_(?:content|details)\b|[\'\"`.]reasoning[\'\"`:]",
        "does not take its own thoughts back",
    ),
)


class OpenAIBackend(HostedBackend):
    """A model behind a chat-completions endpoint.

    Differences between OpenAI's own server and others have a default by `base_url`, and an option:
    the official server gets `max_completion_tokens`, others `max_tokens`; its reasoning models get no
    temperature or top-p (`capabilities.temperature` is then False, and the first request with one is
    logged as a warning); a seed, which it does not honour, goes only to others. A schema is sent as strict
    only if strict mode accepts it. Optional fields that a server refuses are left out from then on, and the
    request is sent again without them: sampling, seed, stop strings, tool choice, schema, strict mode, the
    name of `max_tokens`. Answers are then cut at stop strings here; a call that is required may be missing.

    Names of tools are fitted to the API's limits and given back as the tools' own; the end of a description
    of more than 1,024 characters is in the system message.

    Args:
        model: name of the model on the server.
        base_url: URL with `/v1`; by default OPENAI_BASE_URL of the environment, else OpenAI.
        api_key: key; by default OPENAI_API_KEY of the environment. OpenAI needs one; another server
            without one receives the key `none`.
        organization: OpenAI organization.
        project: OpenAI project.
        timeout: seconds for one whole answer, connecting included.
        max_concurrency: requests under way at once; None for as many as the server takes: from 64 on, twice
            as many with each round of answers, until it refuses one for its rate or slows down.
        retry: retry policy for failed requests.
        max_tokens: maximum tokens of requests that set none; by default 4,096, at most a quarter of
            `context_window`. OpenAI's own server gets none.
        max_tokens_field: the server's field for it.
        sampling: whether the model takes temperature, top-p and log-probabilities.
        structured_output: whether the server holds an answer to a schema; by default yes, unless model or
            server are known not to, or refuse it. Without, the prompt describes the answer's form in words.
        strict_tools: whether the server must hold a call to its tool's schema, where the schema leaves
            nothing open: all parameters are required, and no others are allowed.
        extra_body: fields added to every request, such as `{"reasoning_effort": "low"}`.
        extra_headers: headers added to every request.
        context_window: size of the context window in tokens, for `capabilities`.
    """

    prefix = "openai"
    extra = "openai"
    description = 1024
    """Maximum characters of a tool's description."""
    unset_temperature: float | None = 1.0
    """Temperature of requests that leave it to the model card; None leaves it to the server."""

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        organization: str | None = None,
        project: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        max_concurrency: int | None = None,
        retry: RetryPolicy | None = None,
        max_tokens: int | None = None,
        max_tokens_field: Literal["max_tokens", "max_completion_tokens"] | None = None,
        sampling: bool | None = None,
        structured_output: bool | None = None,
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
        self._max_tokens = max_tokens or (None if official else answer_limit(context_window))
        self._max_tokens_field = max_tokens_field or ("max_completion_tokens" if official else "max_tokens")
        self._sampling = (
            (not official or model.startswith(_SAMPLING_MODELS)) if sampling is None else sampling
        )
        self._strict_tools = strict_tools
        self._own_names: dict[str, str] = {}
        self._translate = partial(message_json, backend=name)
        self._tools = Translated(self.tools_json)
        self._schemas = Translated(self.schema_json)
        if structured_output is None:
            without = official and _NO_SCHEMA_MODELS.match(model) is not None
            structured_output = not without and not server.base_url.startswith(_NO_SCHEMA_SERVERS)
        super().__init__(
            name,
            url=f"{server.base_url}/chat/completions",
            secrets=secrets_of(server.key, self._headers),
            capabilities=Capabilities(
                structured_output=structured_output,
                seed=not official,
                logprobs=self._sampling,
                temperature=self._sampling,
                streaming=True,
                context_window=context_window,
            ),
            timeout=timeout,
            max_concurrency=max_concurrency,
            retry=retry,
            refusable=_REFUSABLE,
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
        refused = self._refused.names
        if self._sampling:
            temperature = self.unset_temperature if request.temperature is None else request.temperature
            if temperature is not None and "temperature" not in refused:
                fields["temperature"] = temperature
            if request.top_p is not None and "top_p" not in refused:
                fields["top_p"] = request.top_p
            if request.logprobs and "logprobs" not in refused:
                fields["logprobs"] = True
        elif request.temperature not in (None, 1.0):
            self.warn_once(TEMPERATURE.without)
        max_tokens = request.max_tokens or self._max_tokens
        if max_tokens is not None:
            names = (self._max_tokens_field, "max_tokens", "max_completion_tokens")
            for name in names:
                if name not in refused:
                    fields[name] = max_tokens
                    break
        if request.stop:
            fields["stop"] = request.stop
        if request.seed is not None and self._capabilities.seed:
            fields["seed"] = request.seed
        if request.tools and request.tool_choice != "auto":
            fields["tool_choice"] = request.tool_choice
        if stream:
            fields["stream"] = True
            if "stream_options" not in refused:
                fields["stream_options"] = {"include_usage": True}
        fields.update(self._extra_body)
        return fields

    def encode(self, request: Request, *, stream: bool) -> bytes:
        parts = [to_json(self.fields(request, stream=stream))[:-1]]
        messages = request.messages
        if request.tools:
            tools, documentation = self._tools(request.tools)
            parts += (b',"tools":', tools)
            if documentation:
                messages = _with_documentation(messages, documentation)
        if request.schema is not None and self._capabilities.structured_output:
            parts += (b',"response_format":', self._schemas(request.schema))
        pieces = fragments(messages, self._wire_key, self._translate)
        parts += (b',"messages":[', b",".join(pieces), b"]}")
        return b"".join(parts)

    def tools_json(self, tools: tuple[ToolSpec, ...]) -> tuple[bytes, str]:
        """The tools of a request, and documentation for the system message."""
        self._own_names |= own_names(tools)
        return fitted_tools(tools, strict=self.is_strict, most=self.description)

    def is_strict(self, tool: ToolSpec) -> bool:
        """Whether the server must hold calls of a tool to its schema."""
        return (
            self._strict_tools
            and "strict" not in self._refused.names
            and is_closed(tool.parameters, all_required=True)
        )

    def schema_json(self, schema: dict[str, Any]) -> bytes:
        """The response format that holds the answer to a schema."""
        return schema_json(schema, strict="strict" not in self._refused.names)

    def left_out(self) -> None:
        self._tools.forget()
        self._schemas.forget()
        thoughts = "thoughts" not in self._refused.names
        self._translate = partial(message_json, backend=self._name, thoughts=thoughts)
        super().left_out()

    def decode(self, data: Any, request_id: str | None) -> Completion:
        return read_completion(data, request_id, self._own_names)

    def assembly(self) -> Assembly:
        return StreamedCompletion()


def _with_documentation(messages: tuple[Message, ...], text: str) -> tuple[Message, ...]:
    """The messages with the end of long documentation in the first system message."""
    text = f"The documentation of tools goes on here.\n{text}"
    first = messages[0] if messages else None
    if first is None or first.role != "system":
        return (Message(role="system", content=text), *messages)
    return (first.model_copy(update={"content": f"{first.content}\n\n{text}"}), *messages[1:])
