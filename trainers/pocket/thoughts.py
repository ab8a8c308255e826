"""The reasons for a call's outcome, in the few words of the pocket simulator's thought before the outcome.

They follow the desk's order: each account with its status, currencies side by side, earlier steps' effects on
an account, every comparison digit by digit. The first reason against the call ends them. Written out, each
is a small step; unwritten they are too many for a small model.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from artis_sdk.pocket.bank import CURRENCIES, EURO_VALUE
from artis_sdk.pocket.desk import REFUND_DAYS
from artis_sdk.records import History, State, Step, ToolCall

_TAKES: Final = {"transfer": "source", "convert": "source", "withdraw": "account", "place_hold": "account"}
"""Tools that take an amount from an account, and the argument that names it."""
_SENDS: Final = frozenset({"transfer", "convert", "withdraw"})
"""Tools among these that the daily limit counts."""
_STATUS: Final = {"freeze_account": "frozen", "unfreeze_account": "active", "close_account": "closed"}
_ENDS: Final = {"release_hold": "hold", "cancel_schedule": "schedule"}
"""Tools that remove something, and the argument that names it."""
_USES: Final = frozenset({*_TAKES, "schedule_transfer", "freeze_account"})
"""Tools that a frozen account refuses."""


class Reason(NamedTuple):
    """One reason for a call's outcome."""

    text: str
    refuses: bool = False
    """Whether it decides against the call, so that no later reason matters."""


def think(call: ToolCall, state: State, history: History) -> str:
    """The reasons for a call's outcome, up to one that refuses it, which ends with `!`.

    Args:
        call: call of one of the desk's tools.
        state: state by `state_of`.
        history: steps since that state.
    """
    return "; ".join(reason.text + "!" * reason.refuses for reason in reasons(call, state, history))


def reasons(call: ToolCall, state: State, history: History) -> list[Reason]:
    """The reasons of `think`, one by one; only the last can refuse."""
    assert isinstance(state, dict)
    found: list[Reason] = []
    for reason in _Books(state, history).about(call.tool, call.arguments):
        found.append(reason)
        if reason.refuses:
            break
    return found


def digits(number: int) -> str:
    """A number in four digits, so that digits of equal rank have the same distance in every pair."""
    return f"{'-' if number < 0 else ''}{abs(number):04}"


def compared(one: int, other: int) -> str:
    """Two numbers, their digits side by side up to the first that differ, and whether the first number is in
    the second or over it: `0390 0370 00 33 97 over`. Below zero is always less."""
    word = "in" if one < other else "over" if one > other else "same"
    told = [digits(one), digits(other)]
    if one >= 0 <= other:
        for pair in zip(*told[:2], strict=True):
            told.append("".join(pair))
            if len(set(pair)) == 2:
                break
    return " ".join([*told, word])


def added(start: int, change: int) -> str:
    """A number, a positive or negative change, the sum digit by digit from the last, and the result.

    `0450 -0080 000 587, 403 000 0370`: of each rank both digits and theirs, a comma where one is carried.
    All three numbers are below 10,000.
    """
    result = start + change
    greater, less = (-change, start) if result < 0 else (start, abs(change))
    told, carried = [], 0
    for one, other in zip(reversed(digits(greater)), reversed(digits(less)), strict=True):
        place = int(one) + int(other) + carried if change > 0 else int(one) - int(other) - carried
        carried = int(not 0 <= place <= 9)
        told.append(f"{one}{other}{place % 10}{',' * carried}")
    signed = f"{'+' if change > 0 else '-'}{digits(abs(change))}"
    return f"{digits(start)} {signed} {' '.join(told)} {digits(result)}"


def alike(one: object, other: object) -> str:
    """Two things side by side, and whether they are the same."""
    return f"{one} {other} {'same' if one == other else 'not'}"


class _Books:
    """The relevant part of the state after the earlier steps."""

    def __init__(self, state: dict[str, Any], history: History) -> None:
        self._rows: dict[str, Any] = state["rows"]
        self._day: int = state["day"]
        self._operator: str = state["operator"]
        self._done = [step for step in history if step.outcome.ok]

    def about(self, tool: str, arguments: dict[str, Any]) -> Iterator[Reason]:
        """Reasons in the desk's order; the reader stops at the first that refuses."""
        if isinstance(arguments.get("amount"), int) and arguments["amount"] <= 0:
            yield Reason(f"amount {arguments['amount']}", refuses=True)
        accounts = [str(arguments[name]) for name in ("account", "source", "target") if name in arguments]
        if tool == "get_rate":
            yield from (Reason(f"no {one}", refuses=True) for one in accounts if one not in CURRENCIES)
            return
        if tool == "list_accounts":
            owner = str(arguments["owner"])
            if not any(self._open(name) for name, row in self._rows.items() if row["of"] == owner):
                yield Reason(f"no {owner}", refuses=True)
        for account in accounts:
            yield self._usable(account, tool in _USES)
        for name in ("hold", "transfer", "schedule"):
            if name in arguments:
                yield from self._there(str(arguments[name]))
        if len(accounts) == 2:
            yield from self._pair(tool, *accounts)
        if "amount" in arguments:
            yield from self._amount(tool, accounts, arguments["amount"])
        yield from self._others(tool, accounts, arguments)

    def _others(self, tool: str, accounts: list[str], arguments: dict[str, Any]) -> Iterator[Reason]:
        match tool:
            case "get_account":
                yield Reason(self._field(accounts[0], 0))
                yield from self._changes(accounts[0])[1]
            case "get_limit":
                yield from self._sent(accounts[0])[1]
            case "unfreeze_account":
                yield self._manager()
                status = self._statuses(accounts[0])[-1]
                yield Reason(status, refuses=status != "frozen")
            case "close_account":
                yield self._manager()
                free, told = self._changes(accounts[0])
                yield from told
                balance = free + self._all_held(accounts[0])
                yield Reason(compared(balance, 0), refuses=balance > 0)
            case "schedule_transfer":
                day = arguments["day"]
                yield Reason(compared(day, self._day), refuses=day <= self._day)
            case "refund":
                yield from self._refund(str(arguments["transfer"]))

    # --- accounts -----------------------------------------------------------------------------

    def _usable(self, account: str, used: bool) -> Reason:
        if account not in self._rows:
            return Reason(f"no {account}", refuses=True)
        been = self._statuses(account)
        refuses = been[-1] == "closed" or (used and been[-1] == "frozen")
        return Reason(" ".join([account, *been]), refuses)

    def _open(self, name: str) -> bool:
        return name[0] == "A" and self._statuses(name)[-1] != "closed"

    def _there(self, name: str) -> Iterator[Reason]:
        """Reasons by the existence of a hold, transfer or schedule, and by its accounts."""
        made = any(isinstance(s.outcome.value, dict) and name in s.outcome.value.values() for s in self._done)
        ended = any(s.call.arguments.get(_ENDS.get(s.call.tool, "")) == name for s in self._done)
        if ended or not (made or name in self._rows):
            yield Reason(f"no {name}", refuses=True)
        row = self._rows.get(name)
        if row is not None and name[0] in "TH":
            for account in filter(None, (row["of"], row["to"])):
                if account not in self._rows:
                    yield Reason(f"no {account}", refuses=True)

    def _manager(self) -> Reason:
        return Reason(self._operator, refuses=self._operator != "manager")

    def _pair(self, tool: str, source: str, target: str) -> Iterator[Reason]:
        one, other = (self._field(account, 0) for account in (source, target))
        if tool == "convert":
            yield Reason(alike(one, other), refuses=one == other)
            owners = [str(self._rows[account]["of"]) for account in (source, target)]
            yield Reason(alike(*owners), refuses=owners[0] != owners[1])
            return
        yield Reason(alike(source, target), refuses=source == target)
        yield Reason(alike(one, other), refuses=one != other)

    def _field(self, account: str, place: int) -> str:
        """One of currency, status, free balance, limit, and the rest of the limit."""
        return str(self._rows[account]["is"].split()[place])

    def _statuses(self, account: str) -> list[str]:
        """The statuses of an account through the earlier steps, the present one last."""
        made = (s.call.tool for s in self._done if s.call.arguments.get("account") == account)
        return [self._field(account, 1), *(_STATUS[tool] for tool in made if tool in _STATUS)]

    # --- amounts ------------------------------------------------------------------------------

    def _amount(self, tool: str, accounts: list[str], amount: int) -> Iterator[Reason]:
        if tool == "set_limit":
            limit = self._limit(accounts[0])
            yield Reason(compared(amount, limit))
            if amount > limit:
                yield self._manager()
        if tool == "transfer":
            for before in self._before(*accounts):
                yield Reason(f"before {alike(digits(before), digits(amount))}")
                if before == amount:
                    yield Reason(f"{amount} went", refuses=True)
        if tool in _TAKES:
            free, told = self._changes(accounts[0])
            yield from told
            yield Reason(compared(amount, free), refuses=amount > free)
        if tool in _SENDS:
            left, told = self._sent(accounts[0])
            yield from told
            yield Reason(compared(amount, left), refuses=amount > left)

    def _before(self, source: str, target: str) -> Iterator[int]:
        """Amounts that went from one account to the other today."""
        for row in self._rows.values():
            if (row["of"], row["to"]) == (source, target) and row["is"].split()[2:3] == [str(self._day)]:
                yield int(row["is"].split()[0])
        for step in self._done:
            sent: dict[str, Any] = step.call.arguments
            if step.call.tool == "transfer" and (sent["source"], sent["target"]) == (source, target):
                yield int(sent["amount"])

    def _changes(self, account: str) -> tuple[int, list[Reason]]:
        """The free balance, with its changes step by step."""
        free, told = int(self._field(account, 2)), []
        for step in self._done:
            if change := self._change(step, account):
                told.append(Reason(added(free, change)))
                free += change
        return free, told

    def _limit(self, account: str) -> int:
        limit = int(self._field(account, 3))
        for step in self._done:
            arguments: dict[str, Any] = step.call.arguments
            if step.call.tool == "set_limit" and arguments["account"] == account:
                limit = int(arguments["amount"])
        return limit

    def _sent(self, account: str) -> tuple[int, list[Reason]]:
        """The rest of the limit, with its changes step by step."""
        limit, left = (int(self._field(account, place)) for place in (3, 4))
        told: list[Reason] = []
        for step in self._done:
            arguments: dict[str, Any] = step.call.arguments
            if step.call.tool == "set_limit" and arguments["account"] == account:
                sent = limit - left
                told.append(Reason(added(limit, -left)))
                limit = int(arguments["amount"])
                told.append(Reason(added(limit, -sent)))
                left = limit - sent
            elif step.call.tool in _SENDS and arguments[_TAKES[step.call.tool]] == account:
                told.append(Reason(added(left, -int(arguments["amount"]))))
                left -= int(arguments["amount"])
        return left, told

    def _change(self, step: Step, account: str) -> int:
        """Change of an account's free balance by a step."""
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

    def _all_held(self, account: str) -> int:
        """Amounts held on an account, by earlier steps or before them."""
        held = sum(self._held(name, account) for name in self._rows if name[0] == "H")
        for step in self._done:
            arguments: dict[str, Any] = step.call.arguments
            if step.call.tool == "release_hold":
                held -= self._held(str(arguments["hold"]), account)
            if step.call.tool == "place_hold" and arguments["account"] == account:
                held += int(arguments["amount"])
        return held

    # --- refunds ------------------------------------------------------------------------------

    def _refund(self, transfer: str) -> Iterator[Reason]:
        row = self._rows.get(transfer)
        if row is None:
            return
        amount, _, day, *refunded = row["is"].split()
        returned = [step.call.arguments["transfer"] for step in self._done if step.call.tool == "refund"]
        if refunded or transfer in returned:
            yield Reason("refunded", refuses=True)
        age = self._day - int(day)
        yield Reason(added(self._day, -int(day)))
        yield Reason(compared(age, REFUND_DAYS), refuses=age > REFUND_DAYS)
        for account in (row["to"], row["of"]):
            yield self._usable(account, used=True)
        free, told = self._changes(row["to"])
        yield from told
        yield Reason(compared(int(amount), free), refuses=int(amount) > free)
