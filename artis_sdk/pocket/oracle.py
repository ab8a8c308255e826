"""The bank as an oracle: plans played on a copy of its books, and the check of a final state."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final, Literal, get_args

from pydantic import JsonValue

from artis_sdk.pocket.bank import Account, Bank, BankError, Hold, Schedule, Transfer
from artis_sdk.pocket.desk import Desk, pocket_tools
from artis_sdk.pocket.task import PlannedCall, PocketTask, TaskTurn, Way
from artis_sdk.records import History, Outcome, Provenance, State, Step, ToolCall
from artis_sdk.tools import Toolset, outside

Kind = Literal["obvious", "repairable", "impossible", "trap"]
"""How hard a turn is, found by playing its plans.

- `obvious`: the plan that comes to mind works.
- `repairable`: it is refused, another plan works, and the refused one leaves nothing in its way.
- `impossible`: no plan exists or works, so that the books must stay as they are.
- `trap`: the obvious plan is refused when a part of it is done, and no calls of any plan lead from there to a
  right state; or it looks done, since nothing is refused, and a part is missing.
"""
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

Books = tuple[Any, ...]
"""The relevant part of a bank's state; equal for equal books."""


@dataclass(frozen=True, slots=True)
class Played:
    """A played plan."""

    steps: History
    bank: Bank
    """The books afterwards."""

    @property
    def good(self) -> bool:
        """Whether the bank refused nothing."""
        return all(step.outcome.ok for step in self.steps)


class Oracle:
    """Runs the desk's own code, each time on a copy of the books."""

    def __init__(self) -> None:
        self._bank = Bank()
        self.tools: Toolset = pocket_tools(self._bank)

    def play(self, bank: Bank, calls: Iterable[PlannedCall], *, stop: bool = True) -> Played:
        """Make some calls.

        Args:
            bank: the books, which stay unchanged.
            calls: the calls, in order.
            stop: whether to stop at the first refusal.
        """
        own = copy.deepcopy(bank)
        vars(self._bank).update(vars(own))
        steps: list[Step] = []
        for number, call in enumerate(calls):
            outcome = self._made(call)
            made = ToolCall(id=f"c{number}", tool=call.tool, arguments=dict(call.arguments))
            steps.append(Step(call=made, outcome=outcome))
            if stop and not outcome.ok:
                break
        vars(own).update(vars(self._bank))
        return Played(tuple(steps), own)

    def _made(self, call: PlannedCall) -> Outcome:
        tool = self.tools[call.tool]
        try:
            with outside():  # of all current rehearsals: these books are the oracle's own
                value = tool(**call.arguments)
            return tool.outcome(value, Provenance.SANDBOXED)
        except BankError as error:
            return tool.outcome_of_error(error, Provenance.SANDBOXED)

    def good_ways(self, bank: Bank, turn: TaskTurn) -> list[tuple[Way, Played]]:
        """The plans that work, each with its results."""
        played = [(way, self.play(bank, way.calls)) for way in turn.ways]
        return [(way, one) for way, one in played if one.good and not way.short]

    def accepted(self, task: PocketTask) -> set[Books]:
        """The final states that fulfil a task: after a good plan for each turn.

        A turn for which no plan works, or that cannot be fulfilled yet, must leave the books alone.
        """
        banks = [task.bank]
        for turn in task.turns:
            banks = [
                after
                for bank in banks
                for after in ([played.bank for _, played in self.good_ways(bank, turn)] or [bank])
            ]
        return {books(bank) for bank in banks}

    def truth(self, task: PocketTask) -> tuple[tuple[PlannedCall, ...], ...]:
        """The calls of a good plan for each turn; none for a turn that no plan fulfils."""
        bank, found = task.bank, []
        for turn in task.turns:
            good = self.good_ways(bank, turn)
            found.append(good[0][0].calls if good else ())
            bank = good[0][1].bank if good else bank
        return tuple(found)

    def kind(self, task: PocketTask) -> Kind:
        """How hard a task is: the hardest of its turns, see `Kind`."""
        bank = task.bank
        kinds: list[Kind] = []
        for turn in task.turns:
            if turn.ways:  # one without is asked back about, and a later turn tells what was missing
                kind, bank = self._kind(bank, turn)
                kinds.append(kind)
        return max(kinds, key=KINDS.index, default="impossible")

    def _kind(self, bank: Bank, turn: TaskTurn) -> tuple[Kind, Bank]:
        """Kind of a turn, and the books after it went well."""
        good = self.good_ways(bank, turn)
        obvious = max(turn.ways, key=lambda way: way.weight)
        if any(way is obvious for way, _ in good):
            return "obvious", good[0][1].bank
        after = good[0][1].bank if good else bank
        accepted = {books(played.bank) for _, played in good} or {books(bank)}
        begun = self.play(bank, obvious.calls)
        stuck = books(begun.bank) != books(bank) and not self._can_go_on(begun.bank, turn, accepted)
        if stuck or (obvious.short and begun.good):
            return "trap", after
        return ("repairable" if good else "impossible"), after

    def _can_go_on(self, bank: Bank, turn: TaskTurn, accepted: set[Books]) -> bool:
        """Whether some calls of a plan, in its order, lead to an accepted state."""
        return any(
            books(played.bank) in accepted
            for way in turn.ways
            for count in range(len(way.calls) + 1)
            for calls in combinations(way.calls, count)
            if (played := self.play(bank, calls)).good
        )

    def damaged(self, task: PocketTask, bank: Bank) -> bool:
        """Whether a task was left half done beyond repair: the books are in no state between two turns, and
        no calls of a turn's plans lead to one."""
        banks, reached = [task.bank], {books(task.bank)}
        for turn in task.turns:
            banks = [
                after
                for before in banks
                for after in ([played.bank for _, played in self.good_ways(before, turn)] or [before])
            ]
            reached |= {books(after) for after in banks}
        return books(bank) not in reached and not any(
            self._can_go_on(bank, turn, reached) for turn in task.turns
        )

    def hidden(self, task: PocketTask) -> bool:
        """Whether some turn can be fulfilled, but not by the plan that comes to mind first."""
        bank = task.bank
        for turn in task.turns:
            good = self.good_ways(bank, turn)
            if good and max(turn.ways, key=lambda way: way.weight) not in [way for way, _ in good]:
                return True
            bank = good[0][1].bank if good else bank
        return False


def books(bank: Bank) -> Books:
    """Accounts, transfers, holds and schedules, without the identifiers that the bank assigned."""
    return (
        tuple(sorted((a.id, a.balance, a.limit, a.sent_today, a.status) for a in bank.accounts.values())),
        tuple(sorted((t.source, t.target, t.amount, t.day, t.refunded) for t in bank.transfers.values())),
        tuple(sorted((h.account, h.amount) for h in bank.holds.values())),
        tuple(sorted((s.source, s.target, s.amount, s.day) for s in bank.schedules.values())),
    )


def fulfilled(task: PocketTask, bank: Bank, oracle: Oracle) -> bool:
    """Whether a bank is in a right final state after a task. Only the final state counts."""
    return books(bank) in oracle.accepted(task)


def state_of(bank: Bank) -> State:
    """The books as a simulator sees them: one row for each account, transfer, hold and schedule.

    An account's row has its owner, currency, status, free balance, limit, and the rest of today's limit.
    """
    rows: dict[str, JsonValue] = {}
    for a in bank.accounts.values():
        told = f"{a.currency} {a.status} {bank.free_balance(a)} {a.limit} {a.limit - a.sent_today}"
        rows[a.id] = {"of": a.owner, "to": "", "is": told}
    for t in bank.transfers.values():
        told = f"{t.amount} day {t.day}" + (" refunded" if t.refunded else "")
        rows[t.id] = {"of": t.source, "to": t.target, "is": told}
    for h in bank.holds.values():
        rows[h.id] = {"of": h.account, "to": "", "is": f"{h.amount}"}
    for s in bank.schedules.values():
        rows[s.id] = {"of": s.source, "to": s.target, "is": f"{s.amount} day {s.day}"}
    return {"day": bank.day, "operator": bank.operator, "next": bank.next_number + 1, "rows": rows}


def bank_of(state: State) -> Bank:
    """The books that `state_of` has written, as far as it tells: transfers of a day have no order."""
    told_of: Any = state
    bank = Bank(day=told_of["day"], operator=told_of["operator"], next_number=told_of["next"] - 1)
    for name, row in told_of["rows"].items():
        told = row["is"].split()
        match name[0]:
            case "A":
                currency, status, free, limit, left = told
                bank.accounts[name] = Account(
                    name, row["of"], currency, int(free), int(limit), int(limit) - int(left), status
                )
            case "T":
                refunded = told[-1] == "refunded"
                bank.transfers[name] = Transfer(
                    name, row["of"], row["to"], int(told[0]), int(told[2]), refunded
                )
            case "H":
                bank.holds[name] = Hold(name, row["of"], int(told[0]))
            case "S":
                bank.schedules[name] = Schedule(name, row["of"], row["to"], int(told[0]), int(told[2]))
    for hold in bank.holds.values():
        if hold.account in bank.accounts:
            bank.accounts[hold.account].balance += hold.amount
    return bank


def desk_of(state: State) -> list[Desk]:
    """The payments desk over these books, as the `restore=` of `artis_sdk.simulators.Checked` gives it."""
    return [Desk(bank_of(state))]
