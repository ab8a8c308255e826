"""What a simulated call over a large state costs, in characters encoded: by what it shows."""

from __future__ import annotations

from typing import Any

import pytest
from helpers.simulators import RecordingMeter, call, step

from artis_sdk.backends.scripted import ScriptedBackend
from artis_sdk.prompts import Data, data
from artis_sdk.records import Capabilities, History, Outcome, Provenance
from artis_sdk.simulators import LLMSimulator, cut, entries, form, state_view
from artis_sdk.simulators.answers import typed_answer
from artis_sdk.simulators.form import PromptForm

ROOM = 4000
OK = typed_answer([Outcome.success(1, Provenance.REAL)])


class Encoded:
    """Counts the characters that are encoded for a simulator's prompt."""

    def __init__(self) -> None:
        self.characters = 0

    def __call__(self, value: Any) -> Data:
        text = data.encode(value)
        if not isinstance(value, Data):
            self.characters += len(text)
        return text

    def step(self, given: Any) -> Data:
        text = data.encode_step(given)
        self.characters += len(text)
        return text

    def taken(self) -> int:
        found, self.characters = self.characters, 0
        return found


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> Encoded:
    count = Encoded()
    for module in (cut, entries, form, state_view):
        monkeypatch.setattr(module, "encode", count)
    for module in (cut, form):
        monkeypatch.setattr(module, "encode_step", count.step)
    return count


def orders(rows: int) -> Any:
    return {
        "orders": [{"id": f"O{n}", "customer": f"C{n}", "total": n, "note": "x" * 40} for n in range(rows)],
        "customers": {f"C{n}": {"name": f"customer {n}", "level": n % 3} for n in range(50)},
        "day": 40,
    }


def simulator(shown: PromptForm) -> LLMSimulator:
    backend = ScriptedBackend(lambda _: OK, capabilities=Capabilities(structured_output=True))
    return LLMSimulator(backend, form=shown)


async def costs(shown: PromptForm, rows: int, encoded: Encoded) -> list[int]:
    """Characters that the first call encodes, a later one with one more step, and a later attempt's first."""
    state, one = orders(rows), simulator(shown)
    attempt = one.fork((), RecordingMeter())
    history: History = tuple(step(call("refund", order=f"O{n}"), "paid") for n in range(5))
    encoded.taken()
    await attempt.predict(call("refund", order="O7"), state, history)
    found = [encoded.taken()]
    history = (*history, step(call("refund", order="O7"), "paid"))
    await attempt.predict(call("refund", order="O9"), state, history)
    found.append(encoded.taken())
    again = one.fork((), RecordingMeter())
    encoded.taken()
    await again.predict(call("refund", order="O7"), state, ())
    return [*found, encoded.taken()]


@pytest.mark.parametrize(
    "shown", [PromptForm(focus=True), PromptForm(max_characters=ROOM)], ids=["focus", "room"]
)
async def test_a_later_call_costs_by_what_it_shows(shown: PromptForm, encoded: Encoded) -> None:
    small = await costs(shown, 200, encoded)
    large = await costs(shown, 4000, encoded)
    assert large[0] > 10 * small[0], "the state is read by the first call"
    for before, after in zip(small[1:], large[1:], strict=True):
        assert after <= before + 200  # a mark has longer numbers
        assert after < 6 * ROOM


async def test_a_whole_state_is_encoded_once_for_all_attempts(encoded: Encoded) -> None:
    first, later, attempt = await costs(PromptForm(), 400, encoded)
    assert first > 20_000
    assert (later < 300, attempt < 300) == (True, True)


async def test_a_history_is_encoded_once_though_it_might_have_been_cut(encoded: Encoded) -> None:
    attempt = simulator(PromptForm(max_characters=1_000_000)).fork((), RecordingMeter())
    history: History = ()
    sizes = []
    for n in range(40):
        encoded.taken()
        await attempt.predict(call("note", text="x" * 20), {"day": 1}, history)
        sizes.append(encoded.taken())
        history = (*history, step(call("note", text="x" * 20), n))
    assert max(sizes[30:]) <= max(sizes[5:10]) + 2


async def test_what_has_no_room_is_not_tried_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = 0
    cost = entries.Entries.cost

    def counted(self: entries.Entries, n: int) -> int:
        nonlocal tried
        tried += 1
        return cost(self, n)

    monkeypatch.setattr(entries.Entries, "cost", counted)
    state: Any = {"texts": {f"T{n}": "x" * 300 for n in range(5000)}}
    left = cut.Cutter().cut([call("read", text="T8")], state, (), room=1000, focus=False)
    kept: Any = left.state
    assert kept["texts"]["T8"] == "x" * 300
    assert left.entries > 4990
    assert tried < 200
