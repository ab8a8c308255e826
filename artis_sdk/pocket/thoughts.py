"""What decides a call, in the few words that the pocket simulator thinks in before it says the outcome.

Statuses and currencies side by side, what earlier steps took from an account, and every comparison as two
numbers and a word. Written out, each is a small step; in one's head they are too many for a small model.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from artis_sdk.pocket.bank import EURO_VALUE
from artis_sdk.records import History, State, Step, ToolCall

_TAKES: Final = {"transfer": "source", "convert": "source", "withdraw": "account", "place_hold": "account"}
"""Tools that take an amount from an account, and the argument that names it."""
_SENDS: Final = frozenset({"transfer", "convert", "withdraw"})
"""Of these, those that the daily limit counts."""
_STATUS: Final = {"freeze_account": "frozen", "unfreeze_account": "active", "close_account": "closed"}


def think(call: ToolCall, state: State, history: History) -> str:
    """What decides a call.

    Args:
        call: of one of the desk's tools.
        state: as `state_of` tells it.
        history: the steps since.
    """
    assert isinstance(state, dict)
    return "; ".join(filter(None, _Books(state, history).about(call.tool, call.arguments)))


def compared(one: int, other: int) -> str:
    """Two numbers, and whether the first is in the second or over it: `490 820 in`."""
    return f"{one} {other} {'in' if one < other else 'over' if one > other else 'same'}"


def _alike(one: str, other: str) -> str:
    return f"{one} {other} {'same' if one == other else 'not'}"


class _Books:
    """The state as the earlier steps left it, as far as these decide anything."""

    def __init__(self, state: dict[str, Any], history: History) -> None:
        self._rows: dict[str, Any] = state["rows"]
        self._day: int = state["day"]
        self._operator: str = state["operator"]
        self._done = [step for step in history if step.outcome.ok]

    def about(self, tool: str, arguments: dict[str, Any]) -> Iterator[str]:
        accounts = [str(arguments[name]) for name in ("account", "source", "target") if name in arguments]
        known = [account for account in accounts if account in self._rows]
        amount = arguments.get("amount")
        if tool in ("close_account", "unfreeze_account", "set_limit"):
            yield self._operator
        yield " ".join(f"no {account}" for account in accounts if account not in known)
        yield " ".join(self._status(account) for account in known)
        if len(accounts) == 2 and len(known) == 2:
            yield _alike(*(self._field(account, 0) for account in known))
            if tool == "convert":
                yield _alike(*(str(self._rows[account]["of"]) for account in known))
        if tool == "transfer" and len(known) == 2:
            yield self._before(*known)
        if tool == "schedule_transfer" and isinstance(arguments.get("day"), int):
            yield compared(arguments["day"], self._day)
        if tool == "set_limit" and known and isinstance(amount, int):
            yield compared(amount, int(self._field(known[0], 3)))
        if tool in _TAKES and known and known[0] == accounts[0] and isinstance(amount, int):
            yield from self._taken(known[0], amount, limited=tool != "place_hold")
        if tool == "refund":
            yield from self._refund(str(arguments.get("transfer")))

    def _field(self, account: str, place: int) -> str:
        """Of currency, status, free balance, limit, and what is left of the limit."""
        return str(self._rows[account]["is"].split()[place])

    def _status(self, account: str) -> str:
        status = self._field(account, 1)
        for step in self._done:
            if step.call.tool in _STATUS and step.call.arguments.get("account") == account:
                status = _STATUS[step.call.tool]
        return status

    def _before(self, source: str, target: str) -> str:
        """What went from one account to the other today already."""
        found = [
            row["is"].split()[0]
            for row in self._rows.values()
            if (row["of"], row["to"]) == (source, target) and row["is"].split()[2:3] == [str(self._day)]
        ]
        found += [
            str(step.call.arguments["amount"])
            for step in self._done
            if step.call.tool == "transfer"
            and (step.call.arguments["source"], step.call.arguments["target"]) == (source, target)
        ]
        return f"before {' '.join(found)}" if found else ""

    def _taken(self, account: str, amount: int, *, limited: bool) -> Iterator[str]:
        """Free balance and what is left of the limit, step by step, and how the amount stands to them."""
        free, limit, left = (int(self._field(account, place)) for place in (2, 3, 4))
        for step in self._done:
            call = step.call
            if call.tool == "set_limit" and call.arguments["account"] == account:
                to: Any = call.arguments["amount"]
                yield f"limit {to}"
                left, limit = left + to - limit, to
            change = self._change(step, account)
            if change:
                yield f"{free} {change:+} {free + change}"
                free += change
            if change < 0 and call.tool in _SENDS:
                yield f"{left} {change:+} {left + change}"
                left += change
        yield compared(amount, free)
        if limited:
            yield compared(amount, left)

    def _change(self, step: Step, account: str) -> int:
        """What a step did to an account's free balance."""
        arguments: dict[str, Any] = step.call.arguments
        argument = _TAKES.get(step.call.tool)
        if argument is not None and arguments[argument] == account:
            return -int(arguments["amount"])
        match step.call.tool:
            case "transfer" if arguments["target"] == account:
                return int(arguments["amount"])
            case "convert" if arguments["target"] == account:
                rates = [EURO_VALUE[self._field(arguments[name], 0)] for name in ("source", "target")]
                return int(arguments["amount"]) * rates[0] // rates[1]
            case "release_hold":
                return self._held(arguments["hold"], account)
            case "refund":
                row = self._rows[arguments["transfer"]]
                amount = int(row["is"].split()[0])
                return amount if row["of"] == account else -amount if row["to"] == account else 0
        return 0

    def _held(self, hold: str, account: str) -> int:
        row = self._rows.get(hold)
        return int(row["is"]) if row is not None and row["of"] == account else 0

    def _refund(self, transfer: str) -> Iterator[str]:
        row = self._rows.get(transfer)
        if row is None:
            return
        amount, _, day, *refunded = row["is"].split()
        yield " ".join(refunded)
        age = self._day - int(day)
        yield f"{self._day} {day} {age}"
        yield compared(age, 30)
        both = [account for account in (row["to"], row["of"]) if account in self._rows]
        yield " ".join(self._status(account) for account in both)
        if row["to"] in self._rows:
            yield compared(int(amount), int(self._field(row["to"], 2)))
