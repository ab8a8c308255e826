"""A session's progress in the standard library's `logging`, one logger a part.

`artis_sdk.session`, `artis_sdk.loop`, `artis_sdk.simulators`, `artis_sdk.backends` and `artis_sdk.commit`.
Names, counts and outcome types are logged at INFO; a call's arguments, without secrets, at DEBUG. No
handler is installed: a warning reaches stderr in a program that has not set up `logging`, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from logging import DEBUG, INFO, Logger, getLogger
from typing import Any, NamedTuple

from artis_sdk.records import ToolCall
from artis_sdk.records.action_text import format_actions
from artis_sdk.records.events import (
    AttemptEvaluated,
    AttemptFinished,
    AttemptStarted,
    CallBegun,
    CallCommitted,
    CallSimulated,
    CommitFinished,
    CommitStarted,
    Event,
    LimitHit,
    ModelAnswered,
    Recommended,
    RehearsalFinished,
    RehearsalStarted,
)
from artis_sdk.visible import visible

SESSION = getLogger("artis_sdk.session")
_LOOP = getLogger("artis_sdk.loop")
_SIMULATORS = getLogger("artis_sdk.simulators")
_BACKENDS = getLogger("artis_sdk.backends")
_COMMIT = getLogger("artis_sdk.commit")
_LONGEST = 300  # characters of a call in a line


class _Line(NamedTuple):
    logger: Logger
    level: int
    text: Callable[[Any], str]


def log(event: Event) -> None:
    """Log an event, whose line's logger is enabled for its level.

    Args:
        event: the event, without secrets.
    """
    line = LINES[type(event)]
    line.logger.log(line.level, "%s", visible(line.text(event)))


def _attempt_finished(event: AttemptFinished) -> str:
    attempt = event.attempt
    return f"attempt {attempt.index + 1} ended as {attempt.ended} after {len(attempt.steps)} calls"


def _model_answered(event: ModelAnswered) -> str:
    usage = event.usage
    where = "" if event.attempt is None else f" in attempt {event.attempt + 1}"
    return (
        f"{event.backend} answered as {event.role}{where}: {usage.prompt_tokens} tokens read, "
        f"{usage.completion_tokens} written"
    )


def _call_begun(event: CallBegun) -> str:
    text = f"{event.call.tool} is being made"
    return f"{text}; {_call(event.call)}" if _COMMIT.isEnabledFor(DEBUG) else text


def _call_committed(event: CallCommitted) -> str:
    made = event.committed
    text = f"{made.call.tool} was made, {made.kind}: {made.outcome.type}"
    return f"{text}; {_call(made.call)}" if _COMMIT.isEnabledFor(DEBUG) else text


def _call(call: ToolCall) -> str:
    text = format_actions([call])[1:-1]
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _commit_finished(event: CommitFinished) -> str:
    result = event.result
    return f"plan {result.plan.id} ended as {result.ended} after {len(result.calls)} real calls"


LINES: Mapping[type, _Line] = {
    RehearsalStarted: _Line(
        _LOOP, INFO, lambda e: f"a rehearsal begins: {e.strategy}, {len(e.task.tools)} tools"
    ),
    AttemptStarted: _Line(_LOOP, DEBUG, lambda e: f"attempt {e.attempt + 1} begins"),
    ModelAnswered: _Line(_BACKENDS, DEBUG, _model_answered),
    CallSimulated: _Line(
        _SIMULATORS,
        DEBUG,
        lambda e: f"attempt {e.attempt + 1}: {_call(e.call)} is {e.outcome.type}, {e.outcome.provenance}",
    ),
    AttemptFinished: _Line(_LOOP, INFO, _attempt_finished),
    AttemptEvaluated: _Line(
        _LOOP,
        INFO,
        lambda e: f"attempt {e.attempt + 1} is judged {'correct' if e.evaluation.correct else 'wrong'}",
    ),
    Recommended: _Line(_LOOP, INFO, lambda e: "a recommendation was made"),
    RehearsalFinished: _Line(
        _LOOP, INFO, lambda e: f"plan {e.plan.id} is made of {len(e.plan.attempts)} attempts"
    ),
    LimitHit: _Line(
        _LOOP, INFO, lambda e: f"the {e.limit} limit was reached: {e.used:.10g} of {e.allowed:.10g} used"
    ),
    CommitStarted: _Line(_COMMIT, INFO, lambda e: f"the commit of plan {e.plan} begins"),
    CallBegun: _Line(_COMMIT, INFO, _call_begun),
    CallCommitted: _Line(_COMMIT, INFO, _call_committed),
    CommitFinished: _Line(_COMMIT, INFO, _commit_finished),
}
