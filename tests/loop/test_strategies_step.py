"""The baselines of appendix G: candidates a step, scored, the best one carried out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest
from helpers.loop import TOOLS, Ledger, agent_of, always, call, prompt, task
from hypothesis import given, settings
from hypothesis import strategies as st

from artis_sdk.backends.scripted import ScriptedBackend
from artis_sdk.errors import ConfigurationError
from artis_sdk.loop.budget import Budget, Unmetered
from artis_sdk.loop.callable_actor import CallableActor
from artis_sdk.loop.committing import committing_actor
from artis_sdk.loop.limits import Limits
from artis_sdk.loop.model_actor import ModelTurn
from artis_sdk.loop.scoring import ModelScorer
from artis_sdk.loop.strategies import Parallel, SequentialRevision, WeightedBestOfN
from artis_sdk.loop.strategies.step_level import Candidate, best
from artis_sdk.loop.worlds import SimulatedWorld
from artis_sdk.prompts import encode
from artis_sdk.records import Completion, Request, ToolCall


def scoring(score: Callable[[Any], Any]) -> tuple[ScriptedBackend, ModelScorer]:
    """A scoring agent; `score` is of the candidate that it is shown: a call's view, or the answer's."""

    def script(request: Request) -> str:
        text = prompt(request)
        candidate = text.split("<Simulation>\n")[1].split("\n</Simulation>")[0]
        value = score(json.loads(candidate))
        if not isinstance(value, int):
            return str(value)
        return encode({"evaluation": f"worth {value}", "suggestion": f"better than {value}", "score": value})

    backend = ScriptedBackend(script, name="scorer")
    return backend, ModelScorer(backend)


async def acted(
    strategy: Any, agent: Any, score: Callable[[Any], Any], *, meter: Any = None, **more: Any
) -> tuple[Any, ScriptedBackend, ScriptedBackend]:
    backend, actor = agent_of(agent, **more)
    scorer_backend, scorer = scoring(score)
    committing = committing_actor(strategy, actor, scorer)
    trajectory = await committing.act(task(), SimulatedWorld(Ledger(), None), meter or Unmetered())
    return trajectory, backend, scorer_backend


def amount(candidate: Any) -> int:
    """The scripted scorer's taste: what is paid, or 1 for an answer."""
    return int(candidate["arguments"]["amount"]) if "name" in candidate else 1


CANDIDATES = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 10)), min_size=1, max_size=7)


@given(CANDIDATES)
def test_scores_of_identical_candidates_are_summed(drawn: list[tuple[int, int]]) -> None:
    candidates = [
        Candidate(Completion(text=f"{kind}/{n}"), encode({"answer": kind}), str(kind), score)
        for n, (kind, score) in enumerate(drawn)
    ]
    sums = {kind: sum(s for k, s in drawn if k == kind) for kind, _ in drawn}
    chosen, first = best(candidates).text.split("/")
    assert sums[int(chosen)] == max(sums.values())
    assert int(first) == min(n for n, (kind, _) in enumerate(drawn) if kind == int(chosen))


def drawing(amounts: Sequence[int]) -> Callable[[Request], Any]:
    """An agent whose candidates of the first step pay these amounts, and which then answers."""
    left = iter(amounts)

    def script(request: Request) -> Any:
        if any(message.role == "tool" for message in request.messages):
            return "done"
        return call("pay", account="a", amount=next(left))

    return script


@pytest.mark.parametrize("kind", [WeightedBestOfN, SequentialRevision])
async def test_the_majority_of_good_candidates_beats_the_single_best(kind: Any) -> None:
    trajectory, agent, scorer = await acted(kind(5), drawing([9, 4, 1, 4, 4]), amount)
    assert [step.call.arguments["amount"] for step in trajectory.steps] == [4]  # 12 against 9
    assert trajectory.answer == "done"
    assert len(agent.requests) == len(scorer.requests) == 10  # N of each a step


async def test_identity_does_not_depend_on_ids_or_on_the_order_of_arguments_as_text() -> None:
    one = ToolCall(tool="pay", arguments={"account": "a", "amount": 4}, raw="x")
    other = ToolCall(tool="pay", arguments={"account": "a", "amount": 4}, raw="y")
    flipped = ToolCall(tool="pay", arguments={"amount": 4, "account": "a"})
    replies = iter([one, other, flipped])
    trajectory, *_ = await acted(
        WeightedBestOfN(3),
        lambda request: next(replies, "done"),
        lambda candidate: 5 if "name" in candidate else 1,
    )
    identities = {
        Candidate.of(cast(ModelTurn, FakeTurn()), Completion(tool_calls=(c,))).identity
        for c in (one, other, flipped)
    }
    assert len(identities) == 1
    assert len(trajectory.steps) == 1


class FakeTurn:
    """Reads native calls."""

    def calls(self, completion: Completion) -> tuple[ToolCall, ...]:
        return completion.tool_calls


async def test_parallel_candidates_are_drawn_at_once_from_one_prompt_and_different_seeds() -> None:
    together = asyncio.Barrier(4)

    async def script(request: Request) -> Any:
        async with asyncio.timeout(5):
            await together.wait()
        return "done"

    _, agent, _ = await acted(WeightedBestOfN(4), script, amount, seed=11)
    assert len({request.messages for request in agent.requests}) == 1
    assert len({request.seed for request in agent.requests}) == 4


async def test_revisions_see_candidates_feedback_and_suggestions_but_no_scores() -> None:
    trajectory, agent, scorer = await acted(SequentialRevision(3), drawing([2, 3, 7]), amount)
    for n, request in enumerate(agent.requests[:3]):
        text = prompt(request)
        assert text.count("<Attempt>") == n
        for earlier in (2, 3, 7)[:n]:
            assert f'"amount":{earlier}' in text
            assert f"worth {earlier}" in text
            assert f"better than {earlier}" in text
        assert '"score"' not in text
    assert trajectory.steps[0].call.arguments["amount"] == 7
    # The next step starts anew: what was carried out is in the history, what was not is gone.
    assert "<Attempt>" not in prompt(agent.requests[3])
    assert "worth" not in "".join(message.content for message in trajectory.messages)
    assert '"amount":7' in scorer.requests[-1].messages[-1].content


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("kind", [WeightedBestOfN, SequentialRevision])
async def test_an_answer_is_a_candidate_like_any_other(kind: Any, native: bool) -> None:
    replies = iter(["stop here ", "[pay(account='a', amount=2)]", "stop here"])
    trajectory, *_ = await acted(
        kind(3),
        lambda request: next(replies),
        lambda candidate: 6 if "answer" in candidate else 10,
        native=native,
    )
    assert trajectory.answer == "stop here"
    assert trajectory.steps == ()


async def test_a_score_that_cannot_be_read_counts_nothing_and_ends_nothing() -> None:
    trajectory, _, scorer = await acted(
        WeightedBestOfN(2), drawing([9, 3]), lambda c: "no idea" if amount(c) == 9 else amount(c)
    )
    assert [step.call.arguments["amount"] for step in trajectory.steps] == [3]
    assert len(scorer.requests) == 3 + 2  # one was asked again


@pytest.mark.parametrize("kind", [WeightedBestOfN, SequentialRevision])
async def test_zero_candidates_are_direct_execution(kind: Any) -> None:
    _, agent, scorer = await acted(kind(0), drawing([1]), amount)
    assert (len(agent.requests), len(scorer.requests)) == (2, 0)


@pytest.mark.parametrize("kind", [WeightedBestOfN, SequentialRevision])
async def test_a_commit_past_its_limit_explores_no_more(kind: Any) -> None:
    budget = Budget(Limits(steps=3, reserve=0))
    meter = budget.for_commit()
    meter.begin()
    replies = iter([*[call("look", account="a")] * 6, "done"])
    trajectory, agent, scorer = await acted(kind(3), lambda request: next(replies), always(5), meter=meter)
    # Three candidates, three more that pass the limit, then one at a time.
    assert (len(agent.requests), len(scorer.requests)) == (3 + 3 + 1, 3 + 3)
    assert trajectory.answer == "done"


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 4), st.integers(1, 4))
async def test_each_step_costs_n_candidates_and_n_scores(n: int, steps: int) -> None:
    def script(request: Request) -> Any:
        done = sum(message.role == "tool" for message in request.messages)
        return "done" if done == steps else call("look", account="a")

    _, agent, scorer = await acted(WeightedBestOfN(n), script, always(5))
    assert len(agent.requests) == len(scorer.requests) == n * (steps + 1)


def test_a_caller_s_own_agent_cannot_be_decided_for() -> None:
    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        return ""

    actor = CallableActor(agent, TOOLS)
    with pytest.raises(ConfigurationError, match="best_of_n"):
        committing_actor(WeightedBestOfN(), actor, scoring(amount)[1])
    assert committing_actor(Parallel(), actor, scoring(amount)[1]) is actor
