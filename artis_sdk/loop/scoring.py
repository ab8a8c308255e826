"""Scores of single steps: the scoring and self-evaluation agents of appendix G."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

from artis_sdk.contracts import Meter
from artis_sdk.errors import EvaluationError
from artis_sdk.loop.asked_model import AskedModel
from artis_sdk.loop.reading import Unreadable, ask, json_object, text_field
from artis_sdk.loop.views import task_history
from artis_sdk.prompts import Data
from artis_sdk.records import Message, Role, Task


@dataclass(frozen=True, slots=True)
class Score:
    """A scoring agent's judgement of one candidate."""

    score: int
    """Score, 1 to 10."""
    evaluation: str = ""
    suggestion: str = ""


class Scorer(Protocol):
    """Scores a candidate for the agent's next step."""

    async def score(
        self, task: Task, messages: tuple[Message, ...], candidate: Data, meter: Meter, *, suggest: bool
    ) -> Score:
        """Score one candidate.

        Args:
            task: query, conversation and tools.
            messages: messages since the query.
            candidate: the calls, or the answer, as prompts show them.
            meter: the way to a model.
            suggest: whether to write a suggestion (`SequentialRevision`).

        Raises:
            EvaluationError: no readable score, twice.
        """


class ModelScorer(AskedModel):
    """A model as scoring agent, with the templates `scoring_*`, and `revision_*` for suggestions;
    see `AskedModel`."""

    async def score(
        self, task: Task, messages: tuple[Message, ...], candidate: Data, meter: Meter, *, suggest: bool
    ) -> Score:
        """See `Scorer.score`."""
        kind = "revision" if suggest else "scoring"
        user = self._prompts.render(
            f"{kind}_user",
            tool_documents=self._prompts.documents(task.tools),
            history=task_history(task, messages),
            simulation=candidate,
        )
        request = replace(
            self._settings,
            messages=(
                Message(role="system", content=self._prompts.render(f"{kind}_system")),
                Message(role="user", content=user),
            ),
            schema=_schema(suggest) if self._backend.capabilities.structured_output else None,
        )
        try:
            score, _ = await ask(meter, self._backend, Role.EVALUATION, request, read_score)
        except Unreadable as error:
            raise EvaluationError(f"{self._backend.name} gave no readable score: {error}") from None
        return score


def read_score(text: str) -> Score:
    """Read `{"evaluation", "suggestion", "score"}`.

    Raises:
        Unreadable: the score is not a whole number from 1 to 10.
    """
    value = json_object(text)
    score = value.get("score")
    if isinstance(score, bool) or not isinstance(score, int | float) or score not in range(1, 11):
        raise Unreadable("'score' must be a whole number from 1 to 10")
    return Score(int(score), text_field(value, "evaluation"), text_field(value, "suggestion"))


def _schema(suggest: bool) -> dict[str, Any]:
    text = {"type": "string", "maxLength": 600}  # characters
    properties: dict[str, Any] = {"evaluation": text}
    if suggest:
        properties["suggestion"] = text
    properties["score"] = {"type": "integer", "enum": list(range(1, 11))}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
