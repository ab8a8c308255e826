"""Simulators that say what an outcome follows from before they say it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from helpers.simulators import Bank, RecordingMeter, call
from helpers.train import bank_log
from pydantic import ValidationError

from artis_sdk.backends.scripted import ScriptedBackend
from artis_sdk.errors import TrainingError
from artis_sdk.prompts import Prompts
from artis_sdk.records import Capabilities, History, Outcome, Provenance, State, ToolCall
from artis_sdk.simulators import LLMSimulator
from artis_sdk.simulators.answers import UnreadableAnswer, answer_schema, typed_answer, typed_entries
from artis_sdk.simulators.form import PromptForm
from artis_sdk.trainers.dataset.training_rows import FORM, RowMaker

OK = Outcome.success({"paid": 1}, Provenance.REAL)
THINKING = FORM.model_copy(update={"thought": True})


def test_the_thought_comes_first_and_is_passed_over() -> None:
    text = typed_answer([OK], 'a "thought"; {"ok": false}')
    assert list(json.loads(text)) == ["thought", "outputs"]
    assert typed_entries(text, 1) == typed_entries(typed_answer([OK]), 1)
    assert list(answer_schema(1, True)["properties"]) == answer_schema(1, True)["required"]
    assert "thought" not in answer_schema(1)["properties"]
    with pytest.raises(UnreadableAnswer):
        typed_entries('{"thought": "and nothing else"}', 1)
    with pytest.raises(UnreadableAnswer):
        typed_entries('{"outputs": [], "plan": 1}', 0)


def test_thoughts_are_of_the_typed_answer() -> None:
    with pytest.raises(ValidationError, match="typed"):
        PromptForm(thought=True, typed=False)


@pytest.mark.parametrize("structured", [True, False])
async def test_a_simulator_is_asked_for_its_thought(structured: bool) -> None:
    capabilities = Capabilities(structured_output=structured)
    backend = ScriptedBackend(lambda request: typed_answer([OK], "1 5 below"), capabilities=capabilities)
    model = LLMSimulator(backend, form=PromptForm(thought=True)).fork(Bank().toolset(), RecordingMeter())
    outcome = await model.predict(call("balance", name="ann"), {}, ())
    assert outcome.value == {"paid": 1}
    (request,) = backend.requests
    assert request.schema == (answer_schema(1, True) if structured else None)
    assert '{"thought": "...", "outputs": [...]}' in request.messages[0].content
    flags = dict.fromkeys(("thought", "with_checks", "with_source"), False)
    assert "thought" not in Prompts().render("simulator_system", typed=True, **flags)


def test_rows_say_the_thought_before_the_outcome() -> None:
    seen: list[Any] = []

    def thoughts(call: ToolCall, state: State, history: History) -> str:
        seen.append((call, state, history))
        return f"about {call.tool}"

    records = list(bank_log(3))
    maker = RowMaker(THINKING, thoughts=thoughts)
    for record in records:
        answer = json.loads(maker.row(record).answer)
        assert answer["thought"] == f"about {record.call.tool}"
        assert list(answer) == ["thought", "outputs"]
    assert seen == [(record.call, record.state, record.history) for record in records]


def test_a_log_has_no_thoughts_of_its_own() -> None:
    for form, thoughts in ((THINKING, None), (FORM, lambda call, state, history: "")):
        with pytest.raises(TrainingError, match="thoughts"):
            RowMaker(form, thoughts=thoughts)
