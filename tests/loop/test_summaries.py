"""The summarizer: which attempt it follows, what it is shown, and that nothing is made up."""

from __future__ import annotations

import re

import pytest
from helpers.judged import ANSWERED, ATTEMPT, STEP
from helpers.loop import FAILED, PROSE, SUMMARY, adviser, always, call, prompt, task
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from artis_sdk.backends.scripted import ScriptedBackend
from artis_sdk.errors import SummaryError
from artis_sdk.loop.evaluate import read_evaluation
from artis_sdk.loop.reading import Unreadable
from artis_sdk.loop.summarize import ModelSummarizer, NoRightAttempt, read_recommendation
from artis_sdk.prompts import Prompts
from artis_sdk.records import (
    Attempt,
    Capabilities,
    Evaluation,
    Outcome,
    Provenance,
    Step,
)


def judged(index: int, correct: bool, *steps: Step) -> Attempt:
    return Attempt(index=index, steps=steps, answer=f"answer-{index}", evaluation=Evaluation(correct=correct))


async def test_the_summary_names_one_of_the_right_attempts_and_its_calls_are_the_advice() -> None:
    failed = Step(
        call=call("pay", account="a", amount=9),
        outcome=Outcome.failure("NoCover", "only 3", Provenance.SIMULATED, raised=True),
    )
    forced = Step(
        call=call("pay", amount=1), outcome=Outcome.failure("InvalidArguments", "account", Provenance.FORCED)
    )
    paid = Step(
        call=call("pay", account='<a "b">', amount=5), outcome=Outcome.success("ok", Provenance.SIMULATED)
    )
    right = judged(1, True, forced, failed, ANSWERED, STEP, paid)
    attempts = [judged(0, False, STEP), right, judged(4, True, STEP)]
    backend, summarizer = adviser()
    found = await summarizer.summarize(task(), attempts)
    assert (found.attempt, found.rationale, found.raw) == (1, "Pay once.", SUMMARY)
    listed = re.findall(r"^\d+\. (.*)$", found.recommendation, re.M)
    assert listed == ['look(account="a")', 'pay(account="<a \\"b\\">", amount=5)']
    assert "Note: Pay once." in found.recommendation
    (request,) = backend.requests
    assert "answer-0" not in prompt(request)
    assert request.temperature == 0.01
    check = Draft202012Validator(request.schema or {})
    for number, good in ((0, False), (1, True), (2, True), (3, False), ("1", False)):
        assert check.is_valid({"attempt": number, "note": ""}) is good
    assert not check.is_valid({"attempt": 1, "note": "x" * 301})


async def test_without_a_right_attempt_there_is_no_advice() -> None:
    backend, summarizer = adviser()
    with pytest.raises(NoRightAttempt):
        await summarizer.summarize(task(), [judged(0, False, STEP), Attempt(index=1, steps=(STEP,))])
    assert not backend.requests


@pytest.mark.parametrize("answer", ["Just pay.", '{"attempt": 3, "note": ""}', '{"attempt": true}', "[1]"])
async def test_where_no_attempt_is_named_the_last_right_one_is_followed(answer: str) -> None:
    _, summarizer = adviser(always(answer))
    found = await summarizer.summarize(task(), [judged(0, True, STEP), judged(1, True), judged(2, False)])
    assert found.attempt == 1
    assert "calls for no call" in found.recommendation


async def test_without_judges_every_attempt_that_ran_through_is_offered() -> None:
    backend, summarizer = adviser()
    cut = Attempt(index=0, steps=(STEP,), ended="limit", error="steps")
    assert (await summarizer.summarize(task(), [cut, Attempt(index=1, steps=(STEP,))])).attempt == 1
    assert prompt(backend.requests[0]).count("<Attempt>") == 1


async def test_a_made_up_identifier_is_told_as_what_a_call_returns() -> None:
    booked = Step(
        call=call("pay", account="a", amount=5),
        outcome=Outcome.success({"ref": "T891"}, Provenance.SIMULATED),
    )
    looked = Step(call=call("look", account="T891"), outcome=Outcome.success(1, Provenance.SIMULATED))
    _, summarizer = adviser()
    found = await summarizer.summarize(task(), [judged(0, True, STEP, booked, looked)])
    assert "use the ref that call 2 really returns" in found.recommendation


async def test_the_papers_summary_sees_all_attempts_and_is_prose() -> None:
    backend, summarizer = adviser(PROSE, prompts=Prompts(style="paper"))
    attempts = [
        ATTEMPT.model_copy(
            update={"index": k, "answer": f"answer-{k}", "evaluation": read_evaluation(FAILED)}
        )
        for k in range(3)
    ]
    recommendation = await summarizer.summarize(task(), attempts)
    assert (recommendation.recommendation, recommendation.attempt) == ("Look first, then pay.", None)
    assert recommendation.raw == PROSE
    (request,) = backend.requests
    assert all(f"answer-{k}" in prompt(request) for k in range(3))
    assert prompt(request).count("Look first.") == 3
    assert request.schema is not None


async def test_a_summary_template_of_ones_own_writes_the_note() -> None:
    own = Prompts({"summary_system": "Advise."})
    found = await adviser(PROSE, prompts=own)[1].summarize(task(), [judged(0, True, STEP)])
    assert (found.attempt, found.rationale) == (0, "Look first, then pay.")
    assert 'look(account="a")' in found.recommendation


async def test_a_schema_is_asked_only_of_backends_that_have_them() -> None:
    plain = ScriptedBackend(always(SUMMARY), capabilities=Capabilities(structured_output=False))
    await ModelSummarizer(plain).summarize(task(), [ATTEMPT])
    assert plain.requests[0].schema is None


async def test_the_summary_says_how_many_attempts_it_saw_condensed() -> None:
    long = Step(call=STEP.call, outcome=Outcome.success("y" * 3000, Provenance.SIMULATED))
    backend = ScriptedBackend(always(PROSE), capabilities=Capabilities(context_window=3000))
    summarizer = ModelSummarizer(backend, prompts=Prompts(style="paper"))
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
        await adviser(always(text), prompts=Prompts(style="paper"))[1].summarize(task(), [ATTEMPT])
