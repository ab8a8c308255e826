"""An agent that goes on after a refusal: real tries, each with a suggestion."""

from __future__ import annotations

from dataclasses import replace

from artis_sdk.contracts import Evaluator, Meter
from artis_sdk.errors import ContextOverflow, EvaluationError, MalformedResponse
from artis_sdk.loop.actor import NO_BRIEFING, Actor, Briefing, Trajectory
from artis_sdk.loop.asked_model import metered
from artis_sdk.loop.evaluate import suggestion
from artis_sdk.records import Attempt, Task
from artis_sdk.records.outcome_type import succeeded
from artis_sdk.tools.world import World
from artis_sdk.traces.operations import judging


class RetryingActor:
    """Acts, and after a refused call acts again in the same world, at most `retries` times.

    All tries are real calls of one commit. A further try sees the calls that succeeded as done, like a
    resumed commit, and the suggestion. No try follows where the evaluator judges the task done, has no
    suggestion or repeats one.

    Args:
        actor: the agent, a model: an agent of the application's would make its calls again.
        evaluator: source of the suggestions.
        retries: maximum further tries.
    """

    runs_code = False

    def __init__(self, actor: Actor, evaluator: Evaluator, retries: int) -> None:
        self._actor = actor
        self._evaluator = evaluator
        self._retries = retries

    async def act(
        self, task: Task, world: World, meter: Meter, briefing: Briefing = NO_BRIEFING
    ) -> Trajectory:
        """See `Actor.act`."""
        evaluator = metered(self._evaluator, meter)
        tried = await self._actor.act(task, world, meter, briefing)
        steps, new = tried.steps, tried.steps[len(briefing.done) :]
        said: set[str] = set()
        for _ in range(self._retries):
            if tried.failure is not None or all(map(succeeded, new)):
                break
            attempt = Attempt(
                index=0, steps=steps, messages=tried.messages, answer=tried.answer, ended=tried.ended
            )
            try:
                with judging("evaluate", 0) as span:
                    evaluation = await evaluator.evaluate(task, attempt)
                    span.result(evaluation)
                told = await suggestion(evaluator, task, attempt, evaluation)
            except (EvaluationError, ContextOverflow, MalformedResponse) as error:
                return replace(tried, notes=(*tried.notes, f"no further try: {error}"))
            if not told or told in said:
                break
            said.add(told)
            shown = [step for step in steps if succeeded(step)]
            tried = await self._actor.act(task, world, meter, Briefing(guidance=told, done=shown))
            new = tried.steps[len(shown) :]
            steps = (*steps, *new)
            tried = replace(tried, steps=steps)
        return tried
