"""What a simulator's prompt shows of a large state and a long history; the form of a trained simulator."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from helpers.log_strategies import json_values, outcomes
from helpers.simulators import Bank, RecordingMeter, call, step
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from artis_sdk.backends.scripted import ScriptedBackend
from artis_sdk.errors import ConfigurationError
from artis_sdk.prompts import Prompts, encode, encode_step
from artis_sdk.records import Capabilities, History, Outcome, Provenance
from artis_sdk.simulators import LLMSimulator
from artis_sdk.simulators.answers import answer_schema, typed_answer, typed_entries, typed_outcome
from artis_sdk.simulators.cut import Cut, Cutter
from artis_sdk.simulators.entries import MARK
from artis_sdk.simulators.form import PromptForm
from artis_sdk.simulators.trained import Trained


def bank(accounts: int = 40) -> Any:
    """Accounts, transfers round in a ring, a hold on every fourth account."""
    return {
        "accounts": {
            f"A{n}": {"id": f"A{n}", "owner": f"owner{n}", "currency": "EUR", "balance": n}
            for n in range(100, 100 + accounts)
        },
        "transfers": [
            {"id": f"T{n}", "source": f"A{n}", "target": f"A{100 + (n - 99) % accounts}", "amount": n}
            for n in range(100, 100 + accounts)
        ],
        "holds": {f"H{n}": {"account": f"A{n}", "amount": 1} for n in range(100, 100 + accounts, 4)},
        "day": 40,
        "operator": "teller",
    }


def focused(made: Any, state: Any, history: History = ()) -> Any:
    return Cutter().cut([made], state, history, room=None, focus=True).state


def test_focus_keeps_what_the_action_names_and_what_belongs_to_no_table() -> None:
    state = bank()
    shown = focused(call("get", account="A104"), state)
    assert shown["accounts"] == {"A104": state["accounts"]["A104"], MARK: 39}
    assert shown["transfers"] == [state["transfers"][3], state["transfers"][4], {MARK: 38}]
    assert shown["holds"] == {"H104": state["holds"]["H104"], MARK: 9}
    assert (shown["day"], shown["operator"]) == (40, "teller")


def test_focus_follows_a_named_object_to_what_it_points_to() -> None:
    state = bank()
    shown = focused(call("refund", transfer="T107"), state)
    assert state["transfers"][7] in shown["transfers"]
    assert set(shown["accounts"]) == {"A107", "A108", MARK}
    assert set(shown["holds"]) == {"H108", MARK}
    release = focused(call("release", hold="H108"), state)
    assert "A108" in release["accounts"]


def test_focus_follows_the_steps_about_the_same() -> None:
    held = step(call("place_hold", account="A120", amount=5), {"hold": "H900"})
    other = step(call("place_hold", account="A130", amount=5), {"hold": "H901"})
    shown = focused(call("release", hold="H900"), bank(), (held, other))
    assert set(shown["accounts"]) == {"A120", MARK}


def test_a_table_of_which_no_row_is_named_is_seen_to_be_there() -> None:
    shown = focused(call("get", account="A999"), bank())
    assert (shown["accounts"], shown["transfers"]) == ({MARK: 40}, [{MARK: 40}])


def test_numbers_are_named_by_what_they_are_called() -> None:
    state = {"orders": [{"order_id": n, "items": n + 1, "lines": [{"sku": "x"}]} for n in range(30)]}
    shown = focused(call("cancel", order_id=7), state)
    assert [row.get("order_id") for row in shown["orders"][:-1]] == [7]
    table: Any = {"stock": {str(n): n for n in range(50)}}
    assert focused(call("count", item=7), table) == {"stock": {"7": 7, MARK: 49}}


def test_texts_are_named_by_their_pieces_too() -> None:
    files = {f"dir{n}": {f"file{n}.txt": {"size": n}} for n in range(30)}
    shown = focused(call("cat", path="/dir7/file7.txt"), {"files": files})
    assert shown == {"files": {"dir7": files["dir7"], MARK: 29}}


def test_a_room_is_filled_with_the_named_first_and_then_the_rest() -> None:
    state = bank()
    for room in (500, 800, 1600):
        left = Cutter().cut([call("get", account="A104")], state, (), room=room, focus=False)
        assert room * 0.6 < len(encode(left.state)) <= room
        text = json.dumps(left.state)
        assert '"A104"' in text
        assert (left.entries > 0, left.lost) == (True, 0)
    assert Cutter().cut([call("get", account="A104")], state, (), room=100_000, focus=False) == Cut(state, ())
    tight = Cutter().cut([call("get", account="A104")], state, (), room=60, focus=False)
    assert tight.lost > 0


def test_of_a_long_history_stay_the_steps_about_the_same_and_the_latest() -> None:
    history = tuple(step(call("note", text=f"line {n} " + "x" * 50), n) for n in range(50))
    about = step(call("freeze", account="A104"), {"frozen": "A104"})
    history = (about, *history)
    left = Cutter().cut([call("get", account="A104")], {"day": 1}, history, room=700, focus=False)
    assert left.history[0] is about
    assert left.history[1:] == history[-len(left.history) + 1 :]
    assert left.steps == len(history) - len(left.history) > 0
    assert left.state == {"day": 1}


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(0, 9) | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=4), inner, max_size=6),
        max_leaves=40,
    ),
    st.dictionaries(st.text(max_size=4), st.text(max_size=4) | st.integers(0, 9), max_size=2),
    st.integers(0, 500),
    st.booleans(),
    st.integers(0, 5),
)
@example({"tool": "f"}, {"tool": "f"}, 0, False, 0)
@example([None], {}, 71, True, 1)
def test_what_is_left_fits_comes_from_the_whole_and_is_always_the_same(
    state: JsonValue, arguments: dict[str, JsonValue], room: int, focus: bool, steps: int
) -> None:
    history = tuple(step(call("f", n=n, text="x" * n), n) for n in range(steps))
    made = call("g", **arguments)
    left = Cutter().cut([made], state, history, room=room, focus=focus)
    assert left == Cutter().cut([made], state, history, room=room, focus=focus)
    size = len(encode(left.state)) + sum(len(encode_step(s)) + 1 for s in left.history)
    if isinstance(state, dict | list):
        assert size <= max(room, 20)
    assert part_of(left.state, state)
    assert (left.state == state) or left.entries
    assert len(left.history) + left.steps == steps
    unbounded = Cutter().cut([made], state, history, room=None, focus=focus)
    assert (unbounded.lost, unbounded.history) == (0, history)


@pytest.mark.parametrize("focus", [False, True])
@pytest.mark.parametrize("steps", [0, 1, 2, 3])
@pytest.mark.parametrize("state", [[None], [[]], [{}], [0, 0], [[0], 0], {"a": 1}, {"e": []}, {"f": ""}])
def test_a_state_shorter_than_its_mark_fits_every_room(state: JsonValue, steps: int, focus: bool) -> None:
    """Where the history is whole, what it leaves may be too little for the mark of an emptied state."""
    history = tuple(step(call("f", n=n, text="x" * n), n) for n in range(steps))
    for room in range(251):
        left = Cutter().cut([call("g")], state, history, room=room, focus=focus)
        size = len(encode(left.state)) + sum(len(encode_step(s)) + 1 for s in left.history)
        assert size <= max(room, 20), room


def part_of(small: JsonValue, whole: JsonValue) -> bool:
    """Whether what is left of a value is taken from it, with marks that count what is missing."""
    if isinstance(small, dict) and isinstance(whole, dict):
        kept = {key: value for key, value in small.items() if key in whole}
        missing = len(whole) - len(kept)
        marked = {key: value for key, value in small.items() if key not in whole}
        if marked != ({MARK: missing} if missing and MARK not in kept else {}):
            return False
        return all(part_of(value, whole[key]) for key, value in kept.items())
    if isinstance(small, list) and isinstance(whole, list):
        if len(small) == len(whole) and all(map(part_of, small, whole)):
            return True
        if not small or small[-1] != {MARK: len(whole) - len(small) + 1}:
            return False
        rest = iter(whole)
        return all(any(part_of(item, other) for other in rest) for item in small[:-1])
    return small == whole


# --- the form ---------------------------------------------------------------------------------


def shown(request: Any) -> dict[str, str]:
    return dict(re.findall(r"<(\w+)>\n?(.*?)\n?</\1>", request.messages[1].content, re.DOTALL))


OK = typed_answer([Outcome.success(1, Provenance.REAL)])


async def test_a_form_shows_the_called_tools_and_asks_once_a_call() -> None:
    backend = ScriptedBackend(lambda request: OK, capabilities=Capabilities(structured_output=False))
    form = PromptForm(documents="called", one_call=True, typed=True, focus=True)
    attempt = LLMSimulator(backend, form=form).fork(Bank().toolset(), RecordingMeter())
    made = [call("balance", name="ann"), call("note", text="x")]
    result = await attempt.predict_turn(made, bank(), ())
    assert [outcome.value for outcome in result] == [1, 1]
    first, second = backend.requests
    assert [doc["name"] for doc in json.loads(shown(first)["Tools"])] == ["balance"]
    assert [doc["name"] for doc in json.loads(shown(second)["Tools"])] == ["note"]
    assert json.loads(shown(second)["History"])["action"]["name"] == "balance"
    assert json.loads(shown(first)["State"])["accounts"] == {MARK: 40}
    assert first.schema is None
    assert "outputs" in first.messages[0].content


async def test_prompts_of_a_session_begin_alike_up_to_the_called_tool() -> None:
    """State and history are the session's, whatever tool is called: an engine has them in its cache."""
    backend = ScriptedBackend(lambda request: OK)
    form = PromptForm(documents="called", one_call=True)
    attempt = LLMSimulator(backend, form=form).fork(Bank().toolset(), RecordingMeter())
    history = (step(call("note", text="x"), 1),)
    await attempt.predict(call("balance", name="ann"), bank(), history)
    await attempt.predict(call("note", text="y"), bank(), (*history, step(call("balance", name="ann"), 2)))
    first, second = (request.messages[1].content for request in backend.requests)
    begin = first.index("\n</History>")
    assert begin > 2000
    assert second[:begin] == first[:begin]
    assert first.index("<Tools>") > begin
    assert not form.model_copy(update={"focus": True}).documents_last


async def test_the_characters_of_a_prompt_are_bounded_and_the_missing_steps_counted() -> None:
    backend = ScriptedBackend(lambda request: OK)
    history = tuple(step(call("note", text=f"{n}" * 40), n) for n in range(40))
    form = PromptForm(documents="called", max_characters=1500)
    attempt = LLMSimulator(backend, form=form).fork(Bank().toolset(), RecordingMeter())
    await attempt.predict(call("balance", name="A104"), bank(), history)
    (request,) = backend.requests
    sections = shown(request)
    assert 1000 < sum(map(len, sections.values())) <= 1500
    first, *rest = sections["History"].splitlines()
    assert json.loads(first) == {MARK: 40 - len(rest)}
    assert request.schema == answer_schema(1)


async def test_documents_that_a_template_does_not_print_take_no_room() -> None:
    """With many tools and with none the same prompt: what is cut does not depend on what is not shown."""
    history = tuple(step(call("note", text=f"{n}" * 40), n) for n in range(10))
    form = PromptForm(documents="all", typed=True, focus=True, max_characters=800)
    prompts = Prompts({"simulator_user": "{{ init_config }} {{ history }} {{ action }}"})
    asked = []
    for tools in ((), tuple(Bank().toolset())):
        backend = ScriptedBackend(lambda request: OK)
        attempt = LLMSimulator(backend, form=form, prompts=prompts).fork(tools, RecordingMeter())
        await attempt.predict(call("balance", name="A104"), bank(), history)
        asked.append(backend.requests[0].messages)
    assert asked[0] == asked[1]
    assert 600 < len(asked[0][1].content) <= 802
    assert prompts.shows("simulator_user", "history")
    assert not prompts.shows("simulator_user", "tool_documents")
    assert Prompts().shows("simulator_user", "tool_documents")


async def test_a_trained_simulator_is_asked_as_it_was_trained(tmp_path: Path) -> None:
    form = PromptForm(documents="called", one_call=True, typed=True, max_characters=900)
    templates = {"simulator_system": "S", "simulator_user": "{{ action }} on {{ init_config }}"}
    Trained(base="base", form=form, templates=templates).write(tmp_path)
    backend = ScriptedBackend(lambda request: OK, capabilities=Capabilities(adapters=True))
    model = LLMSimulator.trained(tmp_path, backend, adapter="bank", seed=3, max_tokens=9)
    assert model.form == form
    await model.predict(call("f", a=1), {"x": 1}, ())
    (request,) = backend.requests
    assert [message.content for message in request.messages] == [
        "S",
        '[{"name":"f","arguments":{"a":1}}] on {"x":1}',
    ]
    assert (request.adapter, request.seed, request.max_tokens, request.temperature) == ("bank", 3, 9, 0.01)


def test_a_folder_without_a_trained_simulator_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="artis train simulator"):
        LLMSimulator.trained(tmp_path, "openai:x")
    (tmp_path / "artis_simulator.json").write_text("{}")
    with pytest.raises(ConfigurationError, match="damaged"):
        Trained.read(tmp_path)


def test_templates_are_kept_whole() -> None:
    text = Prompts().text("simulator_user")
    assert "{{ init_config }}" in text
    own = Prompts({"simulator_user": "{{ action }}"})
    assert own.text("simulator_user") == "{{ action }}"
    assert own.text("simulator_system") == Prompts().text("simulator_system")


# --- the answer -------------------------------------------------------------------------------


@given(outcomes, json_values)
@example(Outcome.success(None, Provenance.REAL), {"◁/think▷": "<think>"})
def test_a_typed_answer_reads_back_as_the_outcome(outcome: Outcome, value: JsonValue) -> None:
    if outcome.ok:
        outcome = Outcome.success(value, Provenance.REAL)
    elif not outcome.failure_type:
        outcome = outcome.model_copy(update={"failure_type": "failure"})
    text = typed_answer([outcome])
    text.encode()
    assert not set("<>&") & set(text)
    (entry,) = typed_entries(text, 1)
    back = typed_outcome(entry, None, text)
    assert (back.ok, back.type) == (outcome.ok, outcome.type)
    assert encode(back.content()) == encode(outcome.content())


def test_a_typed_answer_is_spaced_as_engines_space_it() -> None:
    outcome = Outcome.failure("E", "no <|im_end|>", Provenance.REAL, value={"a": [1, 2]})
    assert typed_answer([Outcome.success({"é": 1}, Provenance.REAL), outcome]) == (
        '{"outputs": [{"ok": true, "value": {"é": 1}}, {"ok": false, "failure_type": "E", '
        '"message": "no \\u003c|im_end|\\u003e", "value": {"a": [1, 2]}}]}'
    )
