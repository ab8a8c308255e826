"""The summarizer: one recommendation out of all attempts (section 4.2.3, appendix F)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from artis_sdk.errors import SummaryError
from artis_sdk.loop.advice import advice
from artis_sdk.loop.asked_model import AskedModel
from artis_sdk.loop.context import fit_attempts
from artis_sdk.loop.reading import Unreadable, ask, json_object, text_field
from artis_sdk.loop.tokens import count_tokens
from artis_sdk.loop.views import task_history
from artis_sdk.records import Attempt, Message, Recommendation, Role, Task

_ANSWER_SHARE = 8  # an eighth of the context window stays free for the answer
_PROSE: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "recommendation": {"type": "string", "maxLength": 1500},  # characters
        "rationale": {"type": "string", "maxLength": 600},
    },
    "required": ["recommendation", "rationale"],
    "additionalProperties": False,
}


class NoRightAttempt(SummaryError):
    """No attempt was judged correct, so that there is nothing to advise."""


class ModelSummarizer(AskedModel):
    """A model that condenses the attempts, with the templates `summary_system` and `summary_user`; see
    `AskedModel`.

    In our style it chooses one of the attempts that were judged correct, and adds a sentence; the
    recommendation is that attempt's successful calls, verbatim. Where it chooses none, as with a template of
    one's own without the field `offered`, the last one counts. In the paper's style the recommendation is
    what it writes.

    If all attempts together would overflow the model's context, the oldest are condensed first.
    """

    condensed = 0
    """Number of attempts that the last summary saw condensed."""

    async def summarize(self, task: Task, attempts: Sequence[Attempt]) -> Recommendation:
        """Write the recommendation.

        Raises:
            NoRightAttempt: no attempt was judged correct (our style).
            SummaryError: no readable recommendation, twice (the paper's style).
        """
        if self._prompts.style == "paper":
            return await self._ask(task, attempts, _PROSE, read_recommendation)
        offered = right_attempts(attempts)
        if not offered:
            raise NoRightAttempt("no attempt was judged correct")
        numbered = self._prompts.shows("summary_system", "offered")
        read = partial(read_choice, offered=offered) if numbered else read_recommendation
        schema = _choice(len(offered)) if numbered else _PROSE
        try:
            chosen = await self._ask(task, offered, schema, read)
        except SummaryError as error:  # which calls to repeat is known without it
            chosen = Recommendation(recommendation="", raw=str(error))
        index = offered[-1].index if chosen.attempt is None else chosen.attempt
        note = chosen.rationale if numbered else chosen.recommendation
        followed = next(attempt for attempt in offered if attempt.index == index)
        text = advice(self._prompts, task, followed, note)
        return Recommendation(recommendation=text, rationale=note, attempt=index, raw=chosen.raw)

    async def _ask(
        self,
        task: Task,
        attempts: Sequence[Attempt],
        schema: dict[str, Any],
        read: Callable[[str], Recommendation],
    ) -> Recommendation:
        system = self._prompts.render("summary_system", offered=len(attempts))
        fields = {"tool_documents": self._prompts.documents(task.tools), "history": task_history(task)}
        views, self.condensed = fit_attempts(attempts, self._room(system, *fields.values()), self._count)
        numbered = [{**view, "number": number} for number, view in enumerate(views, 1)]
        user = self._prompts.render("summary_user", attempts=numbered, **fields)
        request = replace(
            self._settings,
            schema=schema if self._backend.capabilities.structured_output else None,
            messages=(Message(role="system", content=system), Message(role="user", content=user)),
        )
        try:
            recommendation, raw = await ask(self._meter, self._backend, Role.SUMMARY, request, read)
        except Unreadable as error:
            raise SummaryError(f"{self._backend.name} gave no readable recommendation: {error}") from None
        return recommendation.model_copy(update={"raw": raw})

    def _count(self, text: str) -> int:
        return count_tokens(self._backend, text)

    def _room(self, *texts: str) -> int | None:
        window = self._backend.capabilities.context_window
        if window is None:
            return None
        answer = max(window // _ANSWER_SHARE, self._settings.max_tokens or 0)
        return window - answer - sum(map(self._count, texts))


def right_attempts(attempts: Sequence[Attempt]) -> list[Attempt]:
    """The attempts to choose from: those judged correct; without any judgement, those without an error."""
    if any(attempt.evaluation is not None for attempt in attempts):
        return [one for one in attempts if one.evaluation is not None and one.evaluation.correct]
    return [attempt for attempt in attempts if attempt.error is None]


def _choice(offered: int) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "attempt": {"type": "integer", "enum": list(range(1, offered + 1))},
            "note": {"type": "string", "maxLength": 300},  # characters
        },
        "required": ["attempt", "note"],
        "additionalProperties": False,
    }


def read_choice(text: str, offered: Sequence[Attempt]) -> Recommendation:
    """Read `{"attempt", "note"}`: the chosen attempt's index, and the note as rationale.

    Raises:
        Unreadable: the text names none of the offered attempts.
    """
    value = json_object(text)
    number = value.get("attempt")
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= len(offered):
        raise Unreadable(f"'attempt' must be a whole number from 1 to {len(offered)}")
    return Recommendation(
        recommendation="", rationale=text_field(value, "note"), attempt=offered[number - 1].index
    )


def read_recommendation(text: str) -> Recommendation:
    """Read `{"recommendation", "rationale"}`.

    Raises:
        Unreadable: the text has no recommendation.
    """
    value = json_object(text)
    return Recommendation(
        recommendation=text_field(value, "recommendation", required=True),
        rationale=text_field(value, "rationale"),
    )
