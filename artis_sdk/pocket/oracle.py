"""The bank as an oracle: plans played on a copy of its books, and the check of a final state."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from artis_sdk.pocket.bank import Bank, BankError
from artis_sdk.pocket.desk import pocket_tools
from artis_sdk.pocket.task import PlannedCall, PocketTask, TaskTurn, Way
from artis_sdk.records import History, Outcome, Provenance, State, Step, ToolCall
from artis_sdk.tools import Toolset, outside

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
        return [(way, one) for way, one in played if one.good]

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
