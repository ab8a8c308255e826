"""The attributes of spans: OpenTelemetry's GenAI conventions, version 1.41, and ours under `artis.`.

The conventions' Python constants are marked as deprecated since they moved to a repository of their own, so
the names stand here as texts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from pydantic import JsonValue
from pydantic_core import to_json

from artis_sdk.contracts import Backend
from artis_sdk.records import (
    Attempt,
    Completion,
    Evaluation,
    Message,
    Plan,
    Recommendation,
    Request,
    Result,
    Role,
    ToolCall,
)

Attributes = Mapping[str, Any]

OPERATION: Final = "gen_ai.operation.name"
WORLD: Final = "artis.world"
"""`real` or `simulated`: the world that a span's calls go to, or that its text is about."""
ERROR: Final = "error.type"


def model_request(backend: Backend, role: Role, request: Request) -> dict[str, Any]:
    """What is known of a model call before it is made."""
    provider, _, model = backend.name.partition(":")
    given: dict[str, Any] = {
        OPERATION: "chat",
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": model or provider,
        "gen_ai.output.type": "text" if request.schema is None else "json",
        "gen_ai.request.temperature": request.temperature,
        "gen_ai.request.top_p": request.top_p,
        "gen_ai.request.max_tokens": request.max_tokens,
        "gen_ai.request.seed": request.seed,
        "gen_ai.request.stop_sequences": request.stop or None,
        "artis.role": str(role),
    }
    return {name: value for name, value in given.items() if value is not None}


def model_messages(messages: Sequence[Message], request: Request) -> dict[str, Any]:
    """The content of a model call.

    Args:
        messages: its messages, without secrets.
        request: the request, of which the tools are taken.
    """
    system = [_text(message.content) for message in messages if message.role == "system"]
    others = [_message(message) for message in messages if message.role != "system"]
    tools = [{"type": "function", **tool.document()} for tool in request.tools]
    given = {
        "gen_ai.system_instructions": system,
        "gen_ai.input.messages": others,
        "gen_ai.tool.definitions": tools,
    }
    return {name: json_text(value) for name, value in given.items() if value}


def json_text(value: Any) -> str:
    """A value as JSON: spans hold no structures."""
    return to_json(value).decode()


def _text(content: str) -> dict[str, JsonValue]:
    return {"type": "text", "content": content}


def _call(call: ToolCall) -> dict[str, JsonValue]:
    return {"type": "tool_call", "id": call.id, "name": call.tool, "arguments": call.arguments}


def _message(message: Message) -> dict[str, Any]:
    if message.role == "tool":
        answered = {
            "type": "tool_call_response",
            "id": message.tool_call_id,
            "response": message.content,
        }
        return {"role": "tool", "parts": [answered]}
    said = [_text(message.content)] if message.content else []
    return {"role": message.role, "parts": [*said, *map(_call, message.tool_calls)]}


# --- results ----------------------------------------------------------------------------------


def _completion(completion: Completion) -> Attributes:
    usage = completion.usage
    found: dict[str, Any] = {
        "gen_ai.response.model": completion.model or None,
        "gen_ai.response.id": completion.request_id,
        "gen_ai.response.finish_reasons": (completion.finish_reason,),
        "gen_ai.usage.input_tokens": usage.prompt_tokens,
        "gen_ai.usage.output_tokens": usage.completion_tokens,
        "gen_ai.usage.cache_read.input_tokens": usage.cached_tokens or None,
        "artis.calls": len(completion.tool_calls),
    }
    return {name: value for name, value in found.items() if value is not None}


def _said(completion: Completion) -> Attributes:
    parts = [_text(completion.text)] if completion.text else []
    message = {
        "role": "assistant",
        "parts": [*parts, *map(_call, completion.tool_calls)],
        "finish_reason": completion.finish_reason,
    }
    return {"gen_ai.output.messages": json_text([message])}


def _attempt(attempt: Attempt) -> Attributes:
    verdict = {} if attempt.evaluation is None else {"artis.attempt.correct": attempt.evaluation.correct}
    return {"artis.ended": attempt.ended, "artis.calls": len(attempt.steps), **verdict}


def _answer(record: Attempt | Result) -> Attributes:
    return {} if record.answer is None else {"artis.answer": record.answer}


def _evaluation(evaluation: Evaluation) -> Attributes:
    return {
        "gen_ai.evaluation.name": "correct",
        "gen_ai.evaluation.score.label": "correct" if evaluation.correct else "wrong",
        "gen_ai.evaluation.score.value": float(evaluation.correct),
    }


def _explanation(evaluation: Evaluation) -> Attributes:
    return {"gen_ai.evaluation.explanation": evaluation.explanation}


def _recommendation(recommendation: Recommendation) -> Attributes:
    followed = recommendation.attempt
    return {} if followed is None else {"artis.attempt.index": followed}


def _advice(recommendation: Recommendation) -> Attributes:
    return {"artis.recommendation": recommendation.recommendation}


def _plan(plan: Plan) -> Attributes:
    found: dict[str, Any] = {
        "artis.plan.id": plan.id,
        "artis.strategy": plan.strategy,
        "artis.attempts": len(plan.attempts),
        "artis.calls": len(plan.foreseen),
        "artis.stopped_by": plan.stopped_by,
    }
    return {name: value for name, value in found.items() if value is not None}


def _query(plan: Plan) -> Attributes:
    return {"artis.query": plan.task.query}


def _result(result: Result) -> Attributes:
    return {
        "artis.plan.id": result.plan.id,
        "artis.commit.mode": result.mode,
        "artis.ended": result.ended,
        "artis.calls": len(result.calls),
        "artis.diverged": len(result.divergences),
    }


RESULTS: Final[Mapping[type, tuple[Callable[[Any], Attributes], Callable[[Any], Attributes]]]] = {
    Completion: (_completion, _said),
    Attempt: (_attempt, _answer),
    Evaluation: (_evaluation, _explanation),
    Recommendation: (_recommendation, _advice),
    Plan: (_plan, _query),
    Result: (_result, _answer),
}
"""The attributes of a span's result by its type: always there, and content."""
