"""The summarizer: one recommendation out of all attempts (section 4.2.3, appendix F)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from artis_sdk.errors import SummaryError
from artis_sdk.loop.asked_model import AskedModel
from artis_sdk.loop.context import fit_attempts
from artis_sdk.loop.reading import Unreadable, ask, json_object, text_field
from artis_sdk.loop.tokens import count_tokens
from artis_sdk.loop.views import task_history, tool_documents
from artis_sdk.records import Attempt, Message, Recommendation, Role, Task

_ANSWER_SHARE = 8  # an eighth of the context window stays free for the answer
_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"recommendation": {"type": "string"}, "rationale": {"type": "string"}},
    "required": ["recommendation", "rationale"],
    "additionalProperties": False,
}


class ModelSummarizer(AskedModel):
    """A model that condenses the attempts, with the templates `summary_system` and `summary_user`; see
    `AskedModel`.

    If all attempts together would overflow the model's context, the oldest are condensed first.
    """

    condensed = 0
    """Number of attempts that the last summary saw condensed."""

    async def summarize(self, task: Task, attempts: Sequence[Attempt]) -> Recommendation:
        """Write the recommendation.

        Raises:
            SummaryError: no readable recommendation, twice.
        """
        system = self._prompts.render("summary_system")
        fields = {"tool_documents": tool_documents(task.tools), "history": task_history(task)}
        views, self.condensed = fit_attempts(attempts, self._room(system, *fields.values()), self._count)
        user = self._prompts.render("summary_user", attempts=views, **fields)
        request = replace(
            self._settings,
            schema=_SCHEMA if self._backend.capabilities.structured_output else None,
            messages=(Message(role="system", content=system), Message(role="user", content=user)),
        )
        try:
            recommendation, raw = await ask(
                self._meter, self._backend, Role.SUMMARY, request, read_recommendation
            )
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
