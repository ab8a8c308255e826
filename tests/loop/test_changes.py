"""What an attempt changed in its world, for who looks at the plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers.loop import call
from helpers.sessions import unjudged
from hypothesis import given
from hypothesis import strategies as st

from artis_sdk import Ladder, SandboxSimulator, Sequential, Session, Toolset, guarded_tool
from artis_sdk.backends import ScriptedBackend
from artis_sdk.commit.approver import Approve, Reject
from artis_sdk.contracts import Simulator
from artis_sdk.errors import NotApproved
from artis_sdk.records import History, Outcome, Plan, Provenance, State, StateChange, ToolCall
from artis_sdk.records.state_change import ABSENT, LONGEST, MOST_PLACES, state_change
from artis_sdk.view.plan_rows import changed_places


class Bank:
    """Accounts and who has logged in."""

    def __init__(self, accounts: int = 2) -> None:
        self.accounts: dict[str, Any] = {f"a{n}": 20 for n in range(accounts)}
        self.log: list[str] = []
        self.sessions: dict[str, Any] = {}

    @guarded_tool
    def pay(self, source: str, target: str, amount: int) -> int:
        """Pay."""
        self.accounts[source] -= amount
        self.accounts[target] = self.accounts.get(target, 0) + amount
        self.log.append(f"{source} to {target}")
        return int(self.accounts[source])

    @guarded_tool
    def login(self, user: str) -> str:
        """Log in; the session's key is made up here."""
        self.sessions[user] = {"api_key": f"sk-live-9f8e7d6c5b4a3f2e1d0c-{user}"}
        return "in"


class Paid(Simulator):
    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        return Outcome.success(12, Provenance.SIMULATED)


PAY = call("pay", source="a0", target="a1", amount=8)


def session(bank: Bank, path: Path, *calls: ToolCall, runs: int = 2, **more: Any) -> Session:
    said: list[Any] = [[*calls], "Done."] if calls else ["Done."]
    model = ScriptedBackend([line for _ in range(runs) for line in said])
    options = {"simulator": SandboxSimulator(), "strategy": Sequential(1)} | more
    return unjudged(model, Toolset.from_object(bank), path / "journal.db", **options)


def places(plan: Plan) -> dict[str, tuple[Any, Any]] | None:
    found = changed_places(plan.attempts[-1])
    return None if found is None else {one.place: (one.before, one.after) for one in found}


async def test_an_attempt_says_what_it_changed_and_the_real_objects_are_as_they_were(tmp_path: Path) -> None:
    bank = Bank()
    async with session(bank, tmp_path, PAY) as one:
        plan = await one.rehearse("Pay.", keep_changes=True)
    assert places(plan) == {
        "$.Bank.accounts.a0": (20, 12),
        "$.Bank.accounts.a1": (20, 28),
        "$.Bank.log[0]": (ABSENT, "a0 to a1"),
    }
    assert bank.accounts == {"a0": 20, "a1": 20}
    again = Plan.model_validate_json(plan.model_dump_json())
    assert places(again) == places(plan)
    assert again.digest == plan.digest


async def test_an_attempt_that_ends_early_says_what_it_had_changed(tmp_path: Path) -> None:
    bank = Bank()
    async with session(bank, tmp_path, PAY, call("missing"), max_steps=1) as one:
        plan = await one.rehearse("Pay.", keep_changes=True)
    assert plan.attempts[0].answer is None
    assert (places(plan) or {})["$.Bank.accounts.a0"] == (20, 12)


async def test_nothing_changed_is_not_no_state(tmp_path: Path) -> None:
    async with session(Bank(), tmp_path) as one:
        plan = await one.rehearse("Say hello.", keep_changes=True)
    assert places(plan) == {}
    assert "State after: no change that its objects and forks show." in plan.to_html()


@pytest.mark.parametrize("simulator", [Paid(), Ladder([Paid()])], ids=["model", "ladder"])
async def test_a_simulator_without_a_state_says_so(tmp_path: Path, simulator: Simulator) -> None:
    async with session(Bank(), tmp_path, PAY, simulator=simulator) as one:
        plan = await one.rehearse("Pay.", keep_changes=True)
    assert places(plan) is None
    assert "State after: no state kept." in plan.to_html()


async def test_no_snapshot_is_made_where_nobody_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the one that each rehearsal makes."""
    made = 0
    before = Toolset.state

    def counting(self: Toolset) -> State:
        nonlocal made
        made += 1
        return before(self)

    monkeypatch.setattr(Toolset, "state", counting)
    async with session(Bank(), tmp_path, PAY, runs=4, strategy=Sequential(2)) as one:
        plan = await one.rehearse("Pay.")
        assert (made, places(plan)) == (1, None)
        await one.rehearse("Pay.", keep_changes=True)
        assert made == 1 + 1 + 2 * 2


async def test_an_approver_sees_the_changes_without_being_asked_to_keep_them(tmp_path: Path) -> None:
    asked: list[Any] = []

    async def ann(request: Any) -> Any:
        asked.append(request)
        return Reject(reason="no") if len(asked) == 1 else Approve()

    async with session(Bank(), tmp_path, PAY, approve=ann) as one:
        with pytest.raises(NotApproved):
            await one.run("Pay.")
    assert (places(asked[0].plan) or {})["$.Bank.accounts.a0"] == (20, 12)


async def test_a_secret_that_an_attempt_made_is_not_shown(tmp_path: Path) -> None:
    async with session(Bank(), tmp_path, call("login", user="ann")) as one:
        plan = await one.rehearse("Log in.", keep_changes=True)
        shown, saved = one.shown(plan), one.saved(plan)
    secret = "sk-live-9f8e7d6c5b4a3f2e1d0c-ann"
    assert secret in plan.model_dump_json()
    for text in (shown.model_dump_json(), saved.model_dump_json(), shown.to_html(), saved.to_html()):
        assert secret not in text
        assert "api_key" in text


async def test_a_large_change_is_kept_in_part_and_counted(tmp_path: Path) -> None:
    many: dict[str, Any] = {f"k{n}": n for n in range(MOST_PLACES + 50)}
    change = state_change({"x": {}, "long": ""}, {"x": many, "long": "y" * (LONGEST + 1)})
    assert len(list(change.places())) == MOST_PLACES
    assert change.left_out == 51
    change = state_change({"long": ""}, {"long": "y" * (LONGEST + 1)})
    ((path, before, after),) = change.places()
    assert (path, before) == (("long",), "")
    assert after == f"<str of {LONGEST + 3:,} characters>"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("xy[0]", max_size=3), inner),
    max_leaves=8,
)
STATES = st.dictionaries(st.sampled_from("abc"), JSON)


@given(before=STATES, after=STATES)
def test_each_place_that_differs_is_found_and_no_other(before: dict[str, Any], after: dict[str, Any]) -> None:
    change = state_change(before, after)
    found = list(change.places())
    assert bool(found) is (before != after)
    assert StateChange.model_validate_json(change.model_dump_json()) == change
    for _, one, other in found:
        assert one is ABSENT or other is ABSENT or one != other or type(one) is not type(other)
