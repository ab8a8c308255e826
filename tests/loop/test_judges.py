"""Evaluator, summarizer and scorer: what they ask, what they read, and that nothing is made up."""

from __future__ import annotations

from typing import Any

import pytest
from helpers.loop import FAILED, PASSED, SUMMARY, adviser, always, call, judge, prompt, task
from hypothesis import given
from hypothesis import strategies as st

from artis_sdk.backends.scripted import ScriptedBackend
from artis_sdk.errors import EvaluationError, SummaryError
from artis_sdk.loop.budget import Budget, Unmetered
from artis_sdk.loop.evaluate import read_evaluation
from artis_sdk.loop.reading import Unreadable, json_object
from artis_sdk.loop.scoring import ModelScorer, read_score
from artis_sdk.loop.summarize import ModelSummarizer, read_recommendation
from artis_sdk.prompts import encode
from artis_sdk.records import Attempt, Capabilities, Message, Outcome, Provenance, Role, Step

STEP = Step(call=call("look", account="a"), outcome=Outcome.success({"balance": 10}, Provenance.SIMULATED))
ATTEMPT = Attempt(index=0, steps=(STEP,), answer="Ten.")


async def test_the_judge_is_shown_everything_and_asked_coolly() -> None:
    backend, evaluator = judge(FAILED)
    given = task(conversation=(Message(role="user", content="Good morning."),))
    evaluation = await evaluator.evaluate(given, ATTEMPT)
    assert (evaluation.correct, evaluation.explanation, evaluation.suggestion) == (
        False,
        "It did not.",
        "Look first.",
    )
    assert evaluation.raw == FAILED
    (request,) = backend.requests
    text = prompt(request)
    for part in ("Good morning.", given.query, '"name":"pay"', '"return":{"balance":10}', '"answer":"Ten."'):
        assert part in text
    assert request.temperature == 0.01


@pytest.mark.parametrize("ended", ["steps", "context", "error"])
async def test_the_judge_is_told_that_an_attempt_has_no_answer(ended: Any) -> None:
    backend, evaluator = judge()
    await evaluator.evaluate(task(), Attempt(index=0, steps=(STEP,), ended=ended))
    assert '{"ended":' in prompt(backend.requests[0])


@pytest.mark.parametrize(
    ("text", "correct"),
    [
        (PASSED, True),
        (FAILED, False),
        ("<Result> 1 </Result>", True),
        ("<result>**0**</result>", False),
        ("<think><Result>0</Result></think>\n<Result>1</Result>", True),
        ("<Result>1</Result>\n<Suggestion>cut off", True),
        ("<Result>1</Result> so again <Result>1</Result>", True),
    ],
)
def test_verdicts_are_read(text: str, correct: bool) -> None:
    assert read_evaluation(text).correct is correct


@pytest.mark.parametrize(
    "text",
    [
        "",
        "It is correct.",
        "<Result></Result>",
        "<Result>1/0</Result>",
        "<Result>10</Result>",
        "<Result>yes</Result>",
        "<Result>1</Result><Result>0</Result>",
        "<Result>1</Result><Result>maybe</Result>",
        "<think><Result>1</Result></think>",
    ],
)
def test_a_verdict_is_never_guessed(text: str) -> None:
    with pytest.raises(Unreadable):
        read_evaluation(text)


async def test_an_unreadable_verdict_is_asked_for_once_more_and_then_an_error() -> None:
    backend, evaluator = judge(iter(["Fine.", FAILED]))
    assert not (await evaluator.evaluate(task(), ATTEMPT)).correct
    first, second = backend.requests
    assert second.messages[: len(first.messages)] == first.messages
    assert [message.role for message in second.messages[len(first.messages) :]] == ["assistant", "user"]
    assert "<Result>" in second.messages[-1].content
    _, hopeless = judge(always("Fine."))
    with pytest.raises(EvaluationError, match="judge"):
        await hopeless.evaluate(task(), ATTEMPT)


async def test_a_metered_judge_counts_for_its_attempt() -> None:
    budget = Budget()
    _, evaluator = judge()
    await evaluator.metered(budget.for_attempt(1)).evaluate(task(), ATTEMPT)
    assert budget.usage[Role.EVALUATION].requests == 1
    await evaluator.evaluate(task(), ATTEMPT)  # the one it was made from stays as it was
    assert budget.usage[Role.EVALUATION].requests == 1


async def test_the_summary_sees_all_attempts_and_is_held_to_json() -> None:
    backend, summarizer = adviser()
    attempts = [
        ATTEMPT.model_copy(
            update={"index": k, "answer": f"answer-{k}", "evaluation": read_evaluation(FAILED)}
        )
        for k in range(3)
    ]
    recommendation = await summarizer.summarize(task(), attempts)
    assert recommendation.recommendation == "Look first, then pay."
    assert recommendation.raw == SUMMARY
    (request,) = backend.requests
    assert all(f"answer-{k}" in prompt(request) for k in range(3))
    assert prompt(request).count("Look first.") == 3
    assert request.schema is not None
    assert request.temperature == 0.01


async def test_a_schema_is_asked_only_of_backends_that_have_them() -> None:
    plain = ScriptedBackend(always(SUMMARY), capabilities=Capabilities(structured_output=False))
    await ModelSummarizer(plain).summarize(task(), [ATTEMPT])
    assert plain.requests[0].schema is None


async def test_the_summary_says_how_many_attempts_it_saw_condensed() -> None:
    long = Step(call=STEP.call, outcome=Outcome.success("y" * 3000, Provenance.SIMULATED))
    backend = ScriptedBackend(always(SUMMARY), capabilities=Capabilities(context_window=3000))
    summarizer = ModelSummarizer(backend)
    await summarizer.summarize(task(), [Attempt(index=k, steps=(long,)) for k in range(3)])
    assert summarizer.condensed == 2
    assert prompt(backend.requests[0]).count("y" * 3000) == 1


@pytest.mark.parametrize(
    "text", ["Just pay.", "{}", '{"recommendation": " "}', '{"recommendation": "cut', "[1]"]
)
async def test_a_recommendation_is_never_made_up(text: str) -> None:
    with pytest.raises(Unreadable):
        read_recommendation(text)
    with pytest.raises(SummaryError, match="adviser"):
        await adviser(always(text))[1].summarize(task(), [ATTEMPT])


@given(
    st.dictionaries(st.text(max_size=5), st.text(max_size=20) | st.integers(), max_size=4),
    st.sampled_from(["{}", "```json\n{}\n```", "Here it is:\n{}\nThat is all.", "<think>{{x}}</think>{}"]),
)
def test_json_is_found_in_what_models_write(value: dict[str, Any], around: str) -> None:
    text = around.replace("{{x}}", "{x}").replace("{}", encode(value), 1)
    assert json_object(text) == value


async def test_a_scorer_asks_for_a_suggestion_only_where_one_is_used() -> None:
    backend = ScriptedBackend(always('{"evaluation": "ok", "suggestion": "more", "score": 8}'))
    scorer = ModelScorer(backend)
    for suggest in (False, True):
        score = await scorer.score(task(), (), encode([{"name": "look"}]), Unmetered(), suggest=suggest)
        assert score.score == 8
    plain, revising = backend.requests
    assert plain.schema is not None
    assert revising.schema is not None
    assert ("suggestion" in plain.schema["properties"], "suggestion" in revising.schema["properties"]) == (
        False,
        True,
    )
    assert plain.temperature == 0.01


@pytest.mark.parametrize("score", [0, 11, 7.5, True, "8", None])
def test_a_score_is_a_whole_number_from_1_to_10(score: Any) -> None:
    with pytest.raises(Unreadable):
        read_score(encode({"score": score}))


def test_scores_are_read() -> None:
    assert [read_score(encode({"score": score})).score for score in (1, 10, 7.0)] == [1, 10, 7]
