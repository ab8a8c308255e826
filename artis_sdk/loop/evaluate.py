"""The evaluator: a verdict on one finished attempt (section 4.2.2, appendix F)."""

from __future__ import annotations

import re
from dataclasses import replace

from artis_sdk.errors import EvaluationError
from artis_sdk.loop.asked_model import AskedModel
from artis_sdk.loop.reading import Unreadable, ask, tagged
from artis_sdk.loop.views import task_history, tool_documents, trajectory
from artis_sdk.records import Attempt, Evaluation, Message, Role, Task
from artis_sdk.records.thinking import strip_thinking

_VERDICT = re.compile(r"\W*([01])\W*")


class ModelEvaluator(AskedModel):
    """A model as judge, with the templates `evaluation_system` and `evaluation_user`; see `AskedModel`.

    It answers in the paper's tags, so that it can write its reasons before its verdict. An unreadable
    verdict is requested once more, and is then an error: no verdict is made up.
    """

    async def evaluate(self, task: Task, attempt: Attempt) -> Evaluation:
        """Judge an attempt.

        Raises:
            EvaluationError: no readable verdict, twice.
        """
        user = self._prompts.render(
            "evaluation_user",
            tool_documents=tool_documents(task.tools),
            history=task_history(task),
            simulation=trajectory(attempt),
        )
        system = Message(role="system", content=self._prompts.render("evaluation_system"))
        request = replace(self._settings, messages=(system, Message(role="user", content=user)))
        try:
            evaluation, raw = await ask(self._meter, self._backend, Role.EVALUATION, request, read_evaluation)
        except Unreadable as error:
            raise EvaluationError(f"{self._backend.name} gave no readable verdict: {error}") from None
        return evaluation.model_copy(update={"raw": raw})


def read_evaluation(text: str) -> Evaluation:
    """Read `<Evaluation>`, `<Result>` and `<Suggestion>`.

    Raises:
        Unreadable: the text has no result, or more than one.
    """
    text = strip_thinking(text)
    results = {match[1] if (match := _VERDICT.fullmatch(one)) else one for one in tagged(text, "Result")}
    if len(results) != 1 or not results <= {"0", "1"}:
        raise Unreadable("<Result> must hold 1 or 0, and nothing else")
    return Evaluation(
        correct=results == {"1"},
        explanation="\n".join(tagged(text, "Evaluation")),
        suggestion="\n".join(tagged(text, "Suggestion")),
    )
