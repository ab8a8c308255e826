"""The evaluator: what it asks, what it reads, and that nothing is made up."""

from __future__ import annotations

import re
from typing import Any

import pytest
from helpers.judged import ANSWERED, ATTEMPT, STEP
from helpers.loop import FAILED, PASSED, always, call, judge, prompt, task
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from artis_sdk.backends.scripted import ScriptedBackend
from artis_sdk.errors import EvaluationError
from artis_sdk.loop.budget import Budget
from artis_sdk.loop.evaluate import ModelEvaluator, read_evaluation, read_suggestion, suggestion
from artis_sdk.loop.reading import Unreadable, json_object
from artis_sdk.loop.views import numbers_of_request
from artis_sdk.prompts import Prompts, encode
from artis_sdk.records import (
    Attempt,
    Capabilities,
    Completion,
    Evaluation,
    Message,
    Outcome,
    Provenance,
    Role,
    Step,
)


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


async def test_the_judge_gives_a_bare_verdict_and_a_suggestion_where_one_is_used() -> None:
    backend, evaluator = judge(iter(['{"correct": false}', '{"suggestion": "Look first."}']))
    evaluation = await evaluator.evaluate(task(), ATTEMPT)
    assert evaluation == Evaluation(correct=False, raw='{"correct": false}')
    assert len(backend.requests) == 1
    assert await suggestion(evaluator, task(), ATTEMPT, evaluation) == "Look first."
    verdict, told = (Draft202012Validator(request.schema or {}) for request in backend.requests)
    assert verdict.is_valid({"correct": True})
    assert not verdict.is_valid({"correct": True, "why": "It did."})
    assert not told.is_valid({"suggestion": "x" * 401})
    for rule in ("each thing it asks for", "order of the calls does not matter", "tone of the answer"):
        assert rule in backend.requests[0].messages[0].content


@pytest.mark.parametrize("typed", [True, False])
async def test_a_suggestion_is_the_second_turn_of_the_verdicts_conversation(typed: bool) -> None:
    """A prefix cache then holds all that the verdict was asked with: half of a judge's cost is reading."""
    backend = ScriptedBackend(
        iter(['{"correct": false}', "Look first."]), capabilities=Capabilities(structured_output=typed)
    )
    evaluator = ModelEvaluator(backend)
    await evaluator.evaluate(task(), ATTEMPT)
    await evaluator.suggest(task(), ATTEMPT)
    verdict, told = backend.requests
    assert told.messages[:2] == verdict.messages
    said, asked = told.messages[2:]
    assert (said.role, said.content) == ("assistant", '{"correct": false}' if typed else "0")
    assert (asked.role, "<" in asked.content, "JSON" in asked.content) == ("user", False, typed)


@pytest.mark.parametrize(
    ("query", "arguments", "missing"),
    [
        ("Pay 80 to B7.", {"account": "B7", "amount": 80}, None),
        ("Pay 80 to B7.", {"account": "B7", "amount": 70}, ["80"]),
        ("Pay 1,000 to B7.", {"account": "B8", "amount": 1000.0}, ["B7"]),
        ("Pay 80.50, all of it.", {"account": "b", "amount": "80.5"}, None),
        ("Book room 12 on 2026-05-03.", {"account": "12", "amount": "2026-05-03"}, None),
        ("Pay the rent.", {"account": "b", "amount": 9}, None),
        ("Pay 80 to B7. B7 is mine, and 80 is all.", {"account": "B7", "amount": 80}, None),
    ],
)
def test_numbers_that_no_successful_call_has_are_found(
    query: str, arguments: dict[str, Any], missing: list[str] | None
) -> None:
    """Comparing is computed: a small judge does not see that the amount is another one."""
    paid = Step(call=call("pay", **arguments), outcome=Outcome.success(1, Provenance.SIMULATED))
    refused = Step(
        call=call("pay", amount=80),
        outcome=Outcome.failure("Refused", "no", Provenance.SIMULATED, raised=True),
    )
    attempt = Attempt(index=0, steps=(refused, paid), answer="Done.")
    numbers, found, _ = numbers_of_request(task().model_copy(update={"query": query}), attempt)
    assert (numbers > 0) is any(map(str.isdigit, query))
    assert found == (None if missing is None else encode(missing))


async def test_the_judge_is_told_what_is_asked_for_more_often_than_it_was_done() -> None:
    backend, evaluator = judge(always(PASSED))
    paid = Step(call=call("pay", account="b", amount=9), outcome=STEP.outcome)
    for steps, told in (
        ((paid,), '<Repeated>["9: 2 times, in 1 call"]</Repeated>\n\nIs the request done?'),
        ((paid, paid), "Every number of the request stands in a call that did not fail.\n\nIs"),
        ((paid, ANSWERED), '<Repeated>["9: 2 times, in 1 call"]</Repeated>'),  # a failed call did nothing
        ((), 'What they ask for was not done:\n<Missing>["9"]</Missing>\n\nIs'),
    ):
        backend.requests.clear()
        attempt = Attempt(index=0, steps=steps, answer="Done.")
        await evaluator.evaluate(task().model_copy(update={"query": "Pay 9 to b and 9 to c."}), attempt)
        assert told in prompt(backend.requests[0])


async def test_the_judge_is_told_which_numbers_are_missing() -> None:
    backend, evaluator = judge(always(PASSED))
    for query, told in (
        ("Look at 7.", 'What they ask for was not done:\n<Missing>["7"]</Missing>'),
        ("Look at a.", "None of them failed.\n\nIs the request done?"),
    ):
        backend.requests.clear()
        await evaluator.evaluate(task().model_copy(update={"query": query}), ATTEMPT)
        assert told in prompt(backend.requests[0])


async def test_no_suggestion_is_asked_for_where_there_is_one_or_none_is_needed() -> None:
    backend, evaluator = judge([])
    for told in (Evaluation(correct=True), Evaluation(correct=False, suggestion="Look.")):
        assert await suggestion(evaluator, task(), ATTEMPT, told) == told.suggestion
    _, paper = judge([], prompts=Prompts(style="paper"))
    assert await suggestion(paper, task(), ATTEMPT, Evaluation(correct=False)) == ""
    assert not backend.requests


@pytest.mark.parametrize(
    "text", ["Look first.", '{"suggestion": "Look first."}', "<think>a</think>Look first."]
)
def test_suggestions_are_read(text: str) -> None:
    assert read_suggestion(text) == "Look first."


@pytest.mark.parametrize("text", ["", " ", "{}", '{"suggestion": ""}', '{"suggestion": 1}', '{"sugg'])
def test_a_suggestion_is_never_made_up(text: str) -> None:
    with pytest.raises(Unreadable):
        read_suggestion(text)


async def test_the_papers_judge_writes_its_reasons_in_tags() -> None:
    backend, evaluator = judge(FAILED, prompts=Prompts(style="paper"))
    assert (await evaluator.evaluate(task(), ATTEMPT)).suggestion == "Look first."
    (request,) = backend.requests
    assert request.schema is None
    assert "<Evaluation>" in request.messages[0].content
    assert "[Facts" not in prompt(request)


@pytest.mark.parametrize("held", [True, False])
async def test_what_a_judge_is_asked_for_cannot_be_copied(held: bool) -> None:
    """Small models copy a form that is shown with words in the places of the values."""
    backend = ScriptedBackend(always(PASSED), capabilities=Capabilities(structured_output=held))
    await ModelEvaluator(backend).evaluate(task(), ATTEMPT)
    (request,) = backend.requests
    assert (request.schema is not None) is held
    form = request.messages[0].content.partition("Answer " if held else "Output:")[2]
    assert form
    assert ("digit" in form) is not held
    with pytest.raises(Unreadable):
        read_evaluation(form)


async def test_a_template_of_ones_own_keeps_its_own_form() -> None:
    backend, evaluator = judge(PASSED, prompts=Prompts({"evaluation_system": "Judge, in tags."}))
    await evaluator.evaluate(task(), ATTEMPT)
    assert backend.requests[0].schema is None


async def test_the_judge_is_given_failed_calls_as_facts() -> None:
    failed = Step(
        call=call("pay", account="a", amount=9),
        outcome=Outcome.failure("NoCover", "only 3", Provenance.SIMULATED, raised=True),
    )
    backend, evaluator = judge()
    await evaluator.evaluate(task(), Attempt(index=0, steps=(STEP, ANSWERED, failed), answer="I sent 9."))
    await evaluator.evaluate(task(), Attempt(index=0, answer="I sent 9."))
    facts, nothing = [prompt(request).partition("Facts.")[2] for request in backend.requests]
    assert "Calls made: 3." in facts
    assert facts.count('"action"') == 2
    assert "no such account" in facts
    assert re.findall(r'"failed":"(\w+)"', facts) == ["NoCover"]
    assert "Calls made: 0. Nothing was done." in nothing
    assert "<Failed>" not in nothing


@pytest.mark.parametrize("loop", [Completion(text="lalala " * 9, finish_reason="length"), "lalala " * 400])
async def test_a_loop_is_not_shown_to_the_model_that_wrote_it(loop: Completion | str) -> None:
    backend, evaluator = judge(iter([loop, FAILED]))
    await evaluator.evaluate(task(), ATTEMPT)
    first, second = backend.requests
    assert "lalala" not in prompt(second)
    assert [message.role for message in second.messages] == ["system", "user"]
    assert second.messages[-1].content.startswith(first.messages[-1].content)
    assert "could not be used" in second.messages[-1].content


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
        ('{"correct": false}', False),
        ('```json\n{"correct": true, "why": "<Result>0</Result>"}\n```', True),
        ("1", True),
        (" **0**.", False),
        ("<think>1</think>0", False),
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
        '{"correct": "true"}',
        '{"verdict": true, "explanation": "<Result>1</Result>"}',
        '{"correct": tr',
        '{"correct": false, "correct": true}',
        '{"correct": true, "seen": {"correct": false, "correct": true}}',
        "10",
        "1 or 0",
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


@given(
    st.dictionaries(st.text(max_size=5), st.text(max_size=20) | st.integers(), max_size=4),
    st.sampled_from(["{}", "```json\n{}\n```", "Here it is:\n{}\nThat is all.", "<think>{{x}}</think>{}"]),
)
def test_json_is_found_in_what_models_write(value: dict[str, Any], around: str) -> None:
    text = around.replace("{{x}}", "{x}").replace("{}", encode(value), 1)
    assert json_object(text) == value
