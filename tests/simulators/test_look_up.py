"""What an action's arguments refer to, shown beside it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from helpers.log_strategies import json_values
from helpers.simulators import Bank, RecordingMeter, call
from hypothesis import given, settings
from hypothesis import strategies as st

from artis_sdk.backends.scripted import ScriptedBackend
from artis_sdk.prompts import Prompts, encode
from artis_sdk.records import Outcome, Provenance
from artis_sdk.simulators import LLMSimulator
from artis_sdk.simulators.answers import typed_answer
from artis_sdk.simulators.form import Prompter, PromptForm
from artis_sdk.simulators.look_up import LookUp

STATE: dict[str, Any] = {
    "day": 40,
    "accounts": {
        "A417": {"owner": "P1", "balance": 300, "holds": ["H1", "H2"]},
        "A280": {"owner": "P2", "balance": 5, "holds": []},
    },
    "people": [{"id": "P1", "name": "Petra"}, {"id": "P2", "name": "Alan"}],
    "orders": {"7": {"status": "sent", "account": "A280"}},
}


def looked_up(**arguments: Any) -> Any:
    (found,) = LookUp(STATE).of([call("f", **arguments)])
    return found


def test_entries_stand_by_argument_with_what_they_refer_to() -> None:
    assert looked_up(source="A417", amount=300) == {
        "source": {"owner": "P1", "balance": 300, "holds": {"...": 2}},
        "source.owner": {"id": "P1", "name": "Petra"},
    }


def test_entries_are_found_by_key_identifier_and_name_in_any_case() -> None:
    assert looked_up(who="petra")["who"] == looked_up(who="p1")["who"] == {"id": "P1", "name": "Petra"}
    assert looked_up(account="a280")["account"] == {"owner": "P2", "balance": 5, "holds": []}


def test_a_text_that_refers_to_nothing_is_seen_to() -> None:
    assert looked_up(source="A999", note="thanks") == {"source": None, "note": None}


def test_a_number_refers_only_as_an_identifier() -> None:
    assert looked_up(order_id=7)["order_id"] == {"status": "sent", "account": "A280"}
    assert looked_up(amount=7, paid=True, rate=0.5) == {}


def test_items_of_a_list_are_looked_up() -> None:
    found = looked_up(accounts=["A280", "A1"])
    assert found["accounts[0]"]["balance"] == 5
    assert found["accounts[1]"] is None


def test_the_outermost_entry_of_a_name_counts() -> None:
    state: dict[str, Any] = {"inner": {"x": {"x": {"deep": True}, "flat": 1}}}
    (found,) = LookUp(state).of([call("f", of="x")])
    assert found == {"of": {"x": {"...": 1}, "flat": 1}}


@settings(deadline=None)
@given(state=json_values, value=json_values)
def test_any_state_and_any_argument_can_be_looked_up(state: Any, value: Any) -> None:
    (found,) = LookUp(state).of([call("f", x=value)])
    json.loads(encode(found))
    assert all(one is None or isinstance(one, dict) for one in found.values())


async def request_of(form: PromptForm, **arguments: Any) -> str:
    ok = typed_answer([Outcome.success(1, Provenance.REAL)])
    backend = ScriptedBackend(lambda request: ok)
    attempt = LLMSimulator(backend, form=form).fork(Bank().toolset(), RecordingMeter())
    await attempt.predict(call("balance", **arguments), STATE, ())
    (request,) = backend.requests
    return request.messages[-1].content


async def test_the_prompt_shows_it_where_the_form_says_so() -> None:
    shown = await request_of(PromptForm(look_up=True), name="A280")
    assert f"<Entries>{encode(looked_up(name='A280'))}</Entries>" in shown
    assert "<Entries>" not in await request_of(PromptForm(), name="A280")


@settings(deadline=None, max_examples=25)
@given(limit=st.integers(min_value=400, max_value=900))
@pytest.mark.parametrize("focus", [True, False])
def test_it_counts_among_the_characters(focus: bool, limit: int) -> None:
    tools = Bank().toolset()
    form = PromptForm(documents="called", look_up=True, focus=focus, max_characters=limit)
    fields = ("tool_documents", "init_config", "history", "action", "looked_up")
    template = "".join(f"{{{{ {field} }}}}" for field in fields)
    prompter = Prompter(
        Prompts({"simulator_user": template}), {tool.name: tool.spec for tool in tools}, form, typed=True
    )
    text = prompter.prompt([call("balance", name="A417")], STATE, ()).messages[-1].content
    assert len(text) <= limit
    assert '"balance":300' in text
