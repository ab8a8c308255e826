"""Requests to a model backend and its completions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Literal

from pydantic import BaseModel, Field

from artis_sdk.records.calls import FROZEN, ToolCall, ToolSpec


class Role(StrEnum):
    """The part that called a model; usage is reported by role (the paper's table 4)."""

    ACTION = "action"
    SIMULATION = "simulation"
    EVALUATION = "evaluation"
    SUMMARY = "summary"


SampledRole = Literal["agent", "simulator", "judge", "summarizer"]
"""A part of a session that is a model, by its name in `Session(sampling=...)`."""


class Sampling(BaseModel):
    """The sampling of one role's answers. A field of None keeps the role's default."""

    model_config = FROZEN

    temperature: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Sampling temperature. By default 0.01, as in the paper; for the agent that of the model card
    (`generation_config.json`, or a GGUF file's metadata), else 1.0, as in the paper."""
    top_p: float | None = Field(default=None, gt=0, le=1)
    """Share of the probability that is kept; by default that of the model card, else all."""
    max_tokens: int | None = Field(default=None, gt=0)
    """Maximum tokens of one answer; by default the backend's own limit."""


class Message(BaseModel):
    """One message of a conversation."""

    model_config = FROZEN

    role: Literal["system", "user", "assistant", "tool"]
    """Who speaks."""
    content: str = ""
    """The text."""
    tool_calls: tuple[ToolCall, ...] = ()
    """The calls that an assistant makes in it."""
    tool_call_id: str | None = None
    """Id of the call that a tool message answers."""
    failed: bool = False
    """Whether a tool message reports a failure."""
    raw: str | None = None
    """Exact text of the model, for an assistant message."""
    origin: str | None = None
    """Name of the backend whose model wrote the message, or the call that it answers. What that backend sent
    beside the text (ids, thoughts, signatures) goes back to it as it came, and to no other."""

    # A slot and no private attribute, which takes pydantic longer than all fields; copies have none of it.
    __slots__ = ("_translated",)

    @property
    def _wire(self) -> dict[str, Any]:
        """Translations of this message by backend name, kept so that a step costs the same however long the
        history is. A copy is translated again."""
        try:
            known: dict[str, Any] = _translated(self)
        except AttributeError:
            known = {}
            object.__setattr__(self, "_translated", known)
        return known

    def __eq__(self, other: object) -> bool:
        """Equality by fields; translations kept by backends do not count."""
        return isinstance(other, Message) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((self.role, self.content, self.tool_call_id))


_translated = vars(Message)["_translated"].__get__


class Usage(BaseModel):
    """Tokens, requests and computing. Prompt tokens include the cached ones."""

    model_config = FROZEN

    requests: int = 0
    """Number of requests."""
    prompt_tokens: int = 0
    """Tokens of the prompts, cached ones included."""
    cached_tokens: int = 0
    """Prompt tokens that were read from a cache."""
    completion_tokens: int = 0
    """Tokens of the answers, thoughts included."""
    cpu_seconds: float = 0.0
    """CPU seconds of an engine in this process, its share of each batch by tokens; 0 where none is known."""

    @property
    def total_tokens(self) -> int:
        """Tokens of prompts and answers together."""
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            requests=self.requests + other.requests,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            cpu_seconds=self.cpu_seconds + other.cpu_seconds,
        )


@dataclass(frozen=True, kw_only=True)
class Request:
    """One completion request. Messages and tools are shared between requests, never copied."""

    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    temperature: float | None = 1.0
    """Sampling temperature; None for that of the model card, else 1.0."""
    top_p: float | None = None
    """Share of the probability that is kept; None for that of the model card, else all."""
    max_tokens: int | None = None
    """Maximum tokens of the answer; None for the backend's own limit."""
    stop: tuple[str, ...] = ()
    seed: int | None = None
    schema: dict[str, Any] | None = None
    """JSON schema of the answer's text, enforced if the backend can."""
    tool_choice: Literal["auto", "required", "none"] = "auto"
    logprobs: bool = False
    adapter: str | None = None
    """Name of a LoRA adapter; None for the base model."""
    priority: int = 0
    """Priority; lower runs first: a commit overtakes rehearsals on a shared local engine."""

    def with_messages(self, messages: tuple[Message, ...]) -> Request:
        """The same request with other messages."""
        return self._with(messages=messages)

    def with_tools(self, tools: tuple[ToolSpec, ...]) -> Request:
        """The same request with other tools."""
        return self._with(tools=tools)

    def with_priority(self, priority: int) -> Request:
        """The same request with another priority."""
        return self._with(priority=priority)

    def _with(self, **changed: Any) -> Request:
        # As `dataclasses.replace`, at a fraction of its cost: every step of an agent needs two.
        request = object.__new__(type(self))
        request.__dict__.update(self.__dict__, **changed)
        return request


ANSWER_TOKENS: Final = 4096


def answer_limit(context_window: int | None) -> int:
    """Maximum tokens of an answer for which neither request nor backend sets a limit: a quarter of the
    context window, at most 4,096. An answer that repeats itself is then cut, and leaves room for the next
    prompt.

    Args:
        context_window: size of the context window in tokens; None if it is not known.
    """
    return ANSWER_TOKENS if context_window is None else max(1, min(ANSWER_TOKENS, context_window // 4))


class TokenLogprob(BaseModel):
    """One generated token and its natural-log probability."""

    model_config = FROZEN

    token: str
    """Its text."""
    id: int | None = None
    """The token's number; None if the server does not tell."""
    logprob: float
    """Its natural log-probability."""


FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "refusal"]
"""`tool_calls` without calls: the server says that the model called, and none of it could be read."""


class Completion(BaseModel):
    """A model's answer."""

    model_config = FROZEN

    text: str = ""
    """The text, without calls."""
    tool_calls: tuple[ToolCall, ...] = ()
    """The calls in it, in order."""
    finish_reason: FinishReason = "stop"
    """Why the answer ended."""
    usage: Usage = Usage()
    """Tokens of this request."""
    raw: str = ""
    """Exact text of the model's message from the backend; training needs it."""
    model: str = ""
    """The model that answered, as the server names it."""
    request_id: str | None = None
    """The server's id of the request; None without one."""
    logprobs: tuple[TokenLogprob, ...] | None = None
    """Log-probabilities of its tokens, if they were requested."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """Abilities of a backend; the loop reads these, never the provider's name."""

    native_tools: bool = True
    """Whether requests may offer tools. A local engine writes them into the system message of a model whose
    chat template knows none."""
    held_calls: bool = False
    """Whether every call of an offered tool has arguments that fit the tool's schema."""
    structured_output: bool = True
    seed: bool = False
    logprobs: bool = False
    adapters: bool = False
    streaming: bool = False
    local: bool = False
    """Whether the model runs on this machine, so that prompts do not leave it."""
    temperature: bool = True
    """Whether temperature and top-p are honoured; if not, the model uses its own."""
    context_window: int | None = None
    """Size of the context window in tokens; None if the backend does not know it."""
