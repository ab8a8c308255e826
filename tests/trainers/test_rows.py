"""Training rows: the very prompt that the simulator sends, and an answer that it reads as the outcome."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
from helpers.simulators import RecordingMeter
from helpers.train import bank_log
from pydantic import JsonValue

from artis_sdk.backends.scripted import ScriptedBackend
from artis_sdk.errors import TrainingError
from artis_sdk.pocket import Bank, pocket_tools
from artis_sdk.prompts import Prompts
from artis_sdk.records import CallRecord, Outcome, Provenance, Step, ToolCall
from artis_sdk.simulators import LLMSimulator
from artis_sdk.simulators.form import PromptForm
from artis_sdk.trainers.card import explained
from artis_sdk.trainers.dataset.training_rows import FORM, RowMaker

FORMS = {
    "whole": FORM,
    "focus": FORM.model_copy(update={"focus": True}),
    "look_up": FORM.model_copy(update={"focus": True, "look_up": True}),
    "cut": FORM.model_copy(update={"max_characters": 1200, "look_up": True}),
}


@pytest.fixture(scope="module")
def records() -> list[CallRecord]:
    return list(bank_log(20, calls=5, failures=0.5))


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize(
    "own", [None, {"simulator_system": "S", "simulator_user": "{{ action }}{{ history }}"}]
)
async def test_a_row_is_what_the_simulator_sends_and_reads(
    records: list[CallRecord], name: str, own: dict[str, str] | None
) -> None:
    maker = RowMaker(FORMS[name], Prompts(own))
    rows = [maker.row(record) for record in records]
    answers = iter([row.answer for row in rows])
    backend = ScriptedBackend(lambda request: next(answers))
    model = LLMSimulator(backend, form=FORMS[name], prompts=Prompts(own))
    tools = pocket_tools(Bank())
    for record, row in zip(records, rows, strict=True):
        attempt = model.fork(tools, RecordingMeter())
        outcome = await attempt.predict(record.call, record.state, record.history)
        assert backend.requests[-1].messages == row.messages
        assert (outcome.ok, outcome.type) == (record.outcome.ok, record.outcome.type)
        assert outcome.content() == record.outcome.content()
        assert (row.id, row.tool, row.type) == (record.id, record.call.tool, record.outcome.type)
    cut = sum(row.cut is not None and (row.cut.entries + row.cut.steps > 0) for row in rows)
    assert (cut > 0) == (name != "whole")


@pytest.mark.slow
async def test_an_attempt_that_goes_on_asks_as_its_rows_did(records: list[CallRecord]) -> None:
    """One fork for all calls of a session, whose history grows."""
    maker = RowMaker(FORMS["look_up"])
    for session in _sessions(records):
        backend = ScriptedBackend([maker.row(record).answer for record in session])
        attempt = LLMSimulator(backend, form=FORMS["look_up"]).fork(pocket_tools(Bank()), RecordingMeter())
        for record in session:
            await attempt.predict(record.call, record.state, record.history)
        assert [request.messages for request in backend.requests] == [maker.row(r).messages for r in session]


def _sessions(records: list[CallRecord]) -> Iterator[list[CallRecord]]:
    rest = iter(records)
    while session := list(islice(rest, 5)):
        yield session


def _changed(record: CallRecord, provenance: Provenance) -> dict[str, Any]:
    return {"outcome": record.outcome.model_copy(update={"provenance": provenance})}


@pytest.mark.parametrize("provenance", Provenance)
def test_only_outcomes_of_real_code_make_rows(records: list[CallRecord], provenance: Provenance) -> None:
    maker, record = RowMaker(), records[1]
    own = record.model_copy(update=_changed(record, provenance))
    before = record.history[0].model_copy(update=_changed(records[0], provenance))
    after = record.model_copy(update={"history": (before,)})
    if provenance in (Provenance.REAL, Provenance.SANDBOXED):
        assert maker.row(own)[1:] == maker.row(record)[1:]
        assert maker.row(after)[1:] == maker.row(record)[1:]
        return
    with pytest.raises(TrainingError, match=f"a {provenance.value} outcome never trains"):
        maker.row(own)
    if provenance is Provenance.FORCED:
        assert maker.row(after)[1:] == maker.row(record.model_copy(update={"history": ()}))[1:]
    else:
        with pytest.raises(TrainingError, match="its history holds"):
            maker.row(after)


def test_a_form_that_a_log_cannot_train_is_refused() -> None:
    for form in (PromptForm(), FORM.model_copy(update={"one_call": False})):
        with pytest.raises(TrainingError, match="one call each"):
            RowMaker(form)


def test_a_returned_failure_is_typed_by_what_it_says(records: list[CallRecord]) -> None:
    value: JsonValue = {"error": "no account 'x'"}
    call = ToolCall(tool=records[0].call.tool, arguments={})
    record = records[0].model_copy(
        update={"call": call, "outcome": Outcome.success(value, Provenance.REAL), "history": ()}
    )
    row = RowMaker().row(record)
    assert row.type == "no account <*>"
    assert '"ok": true, "value": {"error"' in row.answer
    assert Step(call=call, outcome=record.outcome).outcome.ok


def test_a_card_says_how_many_held_out_prompts_training_had() -> None:
    sizes = {"rows": 20, "cut": 0, "lost": 0, "too_long": {"list": 4}, "same_prompt_in_train": 0}
    data = {
        "log": "calls.db",
        "bounds": {"seed": 0},
        "duplicates": {"test": 0, "validation": 0, "within_train": 0},
        "rebalance": {"explained": []},
        "tokens": {"train": sizes, "validation": {**sizes, "same_prompt_in_train": 3}, "test": sizes},
        "left_out": {},
        "corrupt": {"rows": 0},
    }
    assert any(line.endswith("with all of their draws: list 4 rows.") for line in explained(data))
    said = [line for line in explained(data) if "prompt that training" in line]
    assert len(said) == 1
    assert said[0].startswith("3 of 20 rows of validation")
