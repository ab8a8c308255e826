"""The baselines of appendix G: each step is explored before it is carried out, but never simulated."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from artis_sdk.errors import EvaluationError
from artis_sdk.loop.budget import CommitMeter
from artis_sdk.loop.strategies.base import AttemptRunner, together
from artis_sdk.loop.strategies.task_level import at_least
from artis_sdk.prompts import Data, call_view, encode_lines
from artis_sdk.records.thinking import strip_thinking

if TYPE_CHECKING:
    from artis_sdk.loop.model_actor import Decide, ModelTurn
    from artis_sdk.loop.scoring import Score, Scorer
    from artis_sdk.records import Completion, Request


@dataclass(frozen=True, slots=True)
class Candidate:
    """One proposal for the agent's next turn."""

    completion: Completion
    shown: Data
    """The calls, or the answer, as prompts show them."""
    identity: str
    """Key that is equal for candidates that do the same, in any order of their arguments."""
    score: int = 0
    """Score, 1 to 10; 0 if it was unreadable."""

    @classmethod
    def of(cls, turn: ModelTurn, completion: Completion) -> Candidate:
        views = list(map(call_view, turn.calls(completion))) or [{"answer": strip_thinking(completion.text)}]
        return cls(completion, encode_lines(views), json.dumps(views, sort_keys=True))


def best(candidates: Sequence[Candidate]) -> Completion:
    """The distinct candidate with the highest sum of scores; the first one of equals."""
    sums: dict[str, int] = {}
    for candidate in candidates:
        sums[candidate.identity] = sums.get(candidate.identity, 0) + candidate.score
    return max(candidates, key=lambda candidate: sums[candidate.identity]).completion


@dataclass(frozen=True, slots=True)
class _Candidates:
    n: int = 5

    def __post_init__(self) -> None:
        at_least(0, n=self.n)

    async def rehearse(self, rehearsal: AttemptRunner) -> None:
        """Run nothing: steps are explored one by one, while committing."""


@dataclass(frozen=True, slots=True)
class WeightedBestOfN(_Candidates):
    """N candidates per step, drawn in parallel and scored; the best is carried out (appendix G).

    A candidate with an unreadable score adds nothing. Once a commit has exceeded a limit, one candidate
    per step is drawn, without a score.

    Args:
        n: candidates per step; 0 for `Direct`.
    """

    name = "best_of_n"

    def decider(self, scorer: Scorer) -> Decide:
        """See `StepStrategy.decider`."""

        async def candidate(turn: ModelTurn, index: int) -> Candidate:
            completion = await turn.ask(_seeded(turn.request, index))
            candidate = Candidate.of(turn, completion)
            score = await _score(scorer, turn, candidate, suggest=False)
            return replace(candidate, score=score.score if score else 0)

        async def decide(turn: ModelTurn) -> Completion:
            if self.n == 0 or _overrun(turn):
                return await turn.ask(turn.request)
            return best(await together(*[candidate(turn, index) for index in range(self.n)]))

        return decide


@dataclass(frozen=True, slots=True)
class SequentialRevision(_Candidates):
    """N candidates per step, each seeing the earlier ones and their suggestions (appendix G).

    The scores are summed as in `WeightedBestOfN` and never shown to the agent. A candidate with an
    unreadable score adds nothing. Once a commit has exceeded a limit, one candidate per step is drawn,
    without a score.

    Args:
        n: candidates per step; 0 for `Direct`.
    """

    name = "revision"

    def decider(self, scorer: Scorer) -> Decide:
        """See `StepStrategy.decider`."""

        async def decide(turn: ModelTurn) -> Completion:
            if self.n == 0 or _overrun(turn):
                return await turn.ask(turn.request)
            candidates: list[Candidate] = []
            seen: list[dict[str, Any]] = []
            for index in range(self.n):
                request = turn.showing(seen) if seen else turn.request
                candidate = Candidate.of(turn, await turn.ask(_seeded(request, index)))
                score = await _score(scorer, turn, candidate, suggest=True)
                candidates.append(replace(candidate, score=score.score if score else 0))
                seen.append(
                    {
                        "action": candidate.shown,
                        "evaluation": (score and score.evaluation) or None,
                        "suggestion": (score and score.suggestion) or None,
                    }
                )
            return best(candidates)

        return decide


async def _score(scorer: Scorer, turn: ModelTurn, candidate: Candidate, *, suggest: bool) -> Score | None:
    try:
        return await scorer.score(turn.task, turn.since, candidate.shown, turn.meter, suggest=suggest)
    except EvaluationError:
        return None


def _seeded(request: Request, index: int) -> Request:
    """The request with the candidate's own seed: candidates of one seed would be copies of each other."""
    if request.seed is None or index == 0:
        return request
    return replace(request, seed=(request.seed + index) % 2**31)


def _overrun(turn: ModelTurn) -> bool:
    return isinstance(turn.meter, CommitMeter) and turn.meter.overrun
