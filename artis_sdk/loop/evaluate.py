"""The evaluator: a verdict on one finished attempt (section 4.2.2, appendix F)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, Protocol, TypeVar, runtime_checkable

from artis_sdk.contracts import Evaluator
from artis_sdk.errors import EvaluationError
from artis_sdk.loop.asked_model import AskedModel
from artis_sdk.loop.reading import Unreadable, ask, json_object, tagged, text_field
from artis_sdk.loop.views import failed_calls, numbers_of_request, task_history, trajectory
from artis_sdk.records import Attempt, Evaluation, Message, Role, Task
from artis_sdk.records.thinking import strip_thinking
from artis_sdk.traces.operations import judging

T = TypeVar("T")

_LONGEST: Final = 400  # characters of a suggestion
_JSON = re.compile(r"(?:```\w*\s*)?\{")
_RESULT = re.compile(r"\W*([01])\W*")

_VERDICT: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"correct": {"type": "boolean"}},
    "required": ["correct"],
    "additionalProperties": False,
}
# Bounded, in characters: a small model held to a free string repeats itself to the end.
_SUGGESTION: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"suggestion": {"type": "string", "minLength": 1, "maxLength": _LONGEST}},
    "required": ["suggestion"],
    "additionalProperties": False,
}


@runtime_checkable
class Suggests(Protocol):
    """An evaluator whose verdicts come without suggestions: those are requested where one is used."""

    async def suggest(self, task: Task, attempt: Attempt) -> str:
        """What the next attempt should do instead.

        Raises:
            EvaluationError: no readable suggestion, twice.
        """


async def suggestion(evaluator: Evaluator, task: Task, attempt: Attempt, evaluation: Evaluation) -> str:
    """The suggestion for an attempt after this one; empty for an attempt judged correct.

    Raises:
        EvaluationError: as `Suggests.suggest`.
    """
    if evaluation.correct or evaluation.suggestion or not isinstance(evaluator, Suggests):
        return evaluation.suggestion
    with judging("suggest", attempt.index):
        return await evaluator.suggest(task, attempt)


class ModelEvaluator(AskedModel):
    """A model as judge, with the templates `evaluation_system` and `evaluation_user`; see `AskedModel`.

    It gives a bare verdict, and a suggestion only where `suggest` requests one: as the second turn of the
    same conversation, with the template `suggestion_user`, so that a prefix cache holds all of the first. In
    the paper's style, or with an `evaluation_system` of one's own without the field `typed`, it answers in
    the paper's tags, reasons first. An unreadable verdict is requested once more, and is then an error: no
    verdict is made up.
    """

    async def evaluate(self, task: Task, attempt: Attempt) -> Evaluation:
        """Judge an attempt.

        Raises:
            EvaluationError: no readable verdict, twice.
        """
        held = self._held("evaluation_system")
        asked = self._asked(held, self._shown(task, attempt))
        evaluation, raw = await self._ask("verdict", asked, _VERDICT if held else None, read_evaluation)
        return evaluation.model_copy(update={"raw": raw})

    async def suggest(self, task: Task, attempt: Attempt) -> str:
        """See `Suggests.suggest`; none in the paper's style, whose verdict comes with one."""
        if self._prompts.style == "paper":
            return ""
        shown = self._shown(task, attempt)
        verdict_held, held = self._held("evaluation_system"), self._held("suggestion_user")
        asked = (
            *self._asked(verdict_held, shown),
            Message(role="assistant", content='{"correct": false}' if verdict_held else "0"),
            Message(role="user", content=self._prompts.render("suggestion_user", **shown, typed=held)),
        )
        told, _ = await self._ask("suggestion", asked, _SUGGESTION if held else None, read_suggestion)
        return told

    def _held(self, template: str) -> bool:
        """Whether the answer to a template is held to a schema."""
        return self._backend.capabilities.structured_output and self._prompts.shows(template, "typed")

    def _shown(self, task: Task, attempt: Attempt) -> dict[str, Any]:
        """The fields of a template that show an attempt."""
        numbers, missing, repeated = numbers_of_request(task, attempt)
        return {
            "tool_documents": self._prompts.documents(task.tools),
            "history": task_history(task),
            "simulation": trajectory(attempt),
            "calls": len(attempt.steps),
            "failed": failed_calls(attempt),
            "numbers": numbers,
            "missing": missing,
            "repeated": repeated,
        }

    def _asked(self, held: bool, shown: dict[str, Any]) -> tuple[Message, Message]:
        """The messages that request a verdict."""
        system = self._prompts.render("evaluation_system", typed=held)
        user = self._prompts.render("evaluation_user", **shown)
        return Message(role="system", content=system), Message(role="user", content=user)

    async def _ask(
        self,
        what: str,
        messages: tuple[Message, ...],
        schema: dict[str, Any] | None,
        read: Callable[[str], T],
    ) -> tuple[T, str]:
        request = replace(self._settings, messages=messages, schema=schema)
        try:
            return await ask(self._meter, self._backend, Role.EVALUATION, request, read)
        except Unreadable as error:
            raise EvaluationError(f"{self._backend.name} gave no readable {what}: {error}") from None


def read_evaluation(text: str) -> Evaluation:
    """Read `{"correct"}`, a bare 1 or 0, or `<Evaluation>`, `<Result>` and `<Suggestion>`.

    Raises:
        Unreadable: the text has no verdict, or more than one.
    """
    text = strip_thinking(text)
    if _JSON.match(text):
        correct = json_object(text).get("correct")
        if not isinstance(correct, bool):
            raise Unreadable("the field 'correct' must be true or false")
        return Evaluation(correct=correct)
    bare = _RESULT.fullmatch(text)
    return Evaluation(correct=bare[1] == "1") if bare else _read_tags(text)


def read_suggestion(text: str) -> str:
    """Read `{"suggestion"}`, or plain words.

    Raises:
        Unreadable: the text is empty.
    """
    text = strip_thinking(text).strip()
    if _JSON.match(text):
        return text_field(json_object(text), "suggestion", required=True)
    if not text:
        raise Unreadable("there is no suggestion")
    return text[:_LONGEST]


def _read_tags(text: str) -> Evaluation:
    results = {match[1] if (match := _RESULT.fullmatch(one)) else one for one in tagged(text, "Result")}
    if len(results) != 1 or not results <= {"0", "1"}:
        raise Unreadable("<Result> must hold 1 or 0, and nothing else")
    return Evaluation(
        correct=results == {"1"},
        explanation="\n".join(tagged(text, "Evaluation")),
        suggestion="\n".join(tagged(text, "Suggestion")),
    )
