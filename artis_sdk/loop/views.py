"""Tasks and attempts as prompts show them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from artis_sdk.loop.asked_numbers import MadeNumbers, not_made
from artis_sdk.loop.odd_answers import ODD_ANSWERS
from artis_sdk.loop.repeated_numbers import said_more_often
from artis_sdk.prompts import Data, encode, encode_lines, encode_message, encode_step, encode_trajectory
from artis_sdk.records import Attempt, Message, Task
from artis_sdk.records.outcome_type import succeeded

_REMEMBERED = "loop.views"  # key of a message's line, beside the backends' translations


def message_line(message: Message) -> Data:
    """A message as one line; each message is encoded once."""
    line = message._wire.get(_REMEMBERED)
    if line is None:
        line = message._wire[_REMEMBERED] = encode_message(message)
    return Data(line)


def task_history(task: Task, messages: Iterable[Message] = ()) -> Data:
    """The conversation, the query, and the messages since."""
    query = Message(role="user", content=task.query)
    return encode_lines(map(message_line, (*task.conversation, query, *messages)))


def trajectory(attempt: Attempt) -> Data:
    """A whole attempt: its steps, its answer, and how it ended if it did not end by an answer."""
    text = encode_trajectory(attempt.steps, attempt.answer)
    if attempt.ended == "answer":
        return text
    return encode_lines([*([text] if text else []), {"ended": attempt.error or ENDINGS[attempt.ended]}])


def calls_with_outcomes(attempt: Attempt) -> Data:
    """The steps of an attempt without its answer, which a small agent repeats instead of making calls."""
    return encode_trajectory(attempt.steps)


def failed_calls(attempt: Attempt) -> Data | None:
    """The calls of an attempt that failed or were answered with an error, each with it; None if none were."""
    failed = [encode_step(step) for step in attempt.steps if not succeeded(step)]
    return encode_lines(failed) if failed else None


def numbers_of_request(task: Task, attempt: Attempt) -> tuple[int, Data | None, Data | None]:
    """How many numbers and identifiers with digits the request has; those of them that should stand in a call
    which did not fail, and do not; and those that it says more often than such calls have them. None for
    none. See `asked_numbers.not_made` and `repeated_numbers.said_more_often`.
    """
    documents = (str(tool.document()) for tool in task.tools)
    calls = [step.call for step in attempt.steps if succeeded(step)]
    made = MadeNumbers((encode(call.arguments) for call in calls), (call.tool for call in calls))
    count, missing = not_made(task.query, documents, made)
    repeated = said_more_often(task.query, made)
    return count, encode(missing) if missing else None, encode(repeated) if repeated else None


ENDINGS = {
    "steps": "the agent had no answer when its steps were used up",
    "limit": "a limit ended it early",
    "context": "it outgrew the model's context",
    "simulation_error": "the simulator could not go on",
    "error": "the agent failed",
    "refused": "a call was refused",
    **{ending: odd.reason for ending, odd in ODD_ANSWERS.items()},
    "model_error": "the model could not be reached, or gave no answer",
}


def attempt_view(attempt: Attempt, action: Data) -> dict[str, Any]:
    """An entry of a template's `attempts`: the actions, and the judgement if there is one."""
    judged = attempt.evaluation
    return {
        "action": action,
        "evaluation": judged and {"correct": judged.correct, "explanation": judged.explanation},
        "suggestion": (judged.suggestion if judged else None) or None,
    }


def attempt_views(attempts: Sequence[Attempt]) -> list[dict[str, Any]]:
    """All attempts in full, oldest first."""
    return [attempt_view(attempt, trajectory(attempt)) for attempt in attempts]
