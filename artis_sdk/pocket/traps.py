"""Families of tasks whose obvious plan cannot be mended once it is begun, beside those of `families`."""

from __future__ import annotations

from typing import Final

from artis_sdk.pocket.families import (
    OBVIOUS,
    PAY,
    SIMPLE,
    Families,
    by_account,
    joined,
    listed,
    transfer,
    worded,
)
from artis_sdk.pocket.ledger import Ledger
from artis_sdk.pocket.task import PlannedCall, TaskTurn, Way

_EACH: Final = (
    "pay {payee} {amount} and {payee2} {amount2} from the accounts of {payer}",
    "send {amount} to {payee} and {amount2} to {payee2}, each from any account of {payer}",
    "out of any accounts of {payer}, give {payee} {amount} and {payee2} {amount2}",
)
_EVERY: Final[dict[str, tuple[str, ...]]] = {
    "freeze_account": (
        "freeze all accounts of {owner}",
        "stop all money of {owner}",
        "lock every account of {owner}",
    ),
    "cancel_schedule": (
        "cancel all that is scheduled on {account}",
        "drop every schedule of {account}",
        "call off all schedules on {account}",
    ),
}
_APART: Final = 30
"""Least difference of two payments, whole units."""


def limits(ledger: Ledger) -> TaskTurn:
    """Two payments, each from any account of a payer: what the first takes decides whether the second can be
    made."""
    return _limits(ledger, ledger.people(1)[0])[0]


def _limits(ledger: Ledger, payer: str, before: int = 0) -> tuple[TaskTurn, str]:
    """The turn, and the account that can make the larger payment after another one of `before` units."""
    rng = ledger.rng
    first, second = ledger.people(2)
    small, large = _two_sums(ledger)
    currency = ledger.currency()
    most = {"larger": before + _tens(ledger, large, small + large), "smaller": _tens(ledger, small, large)}
    order = ("larger", "smaller") if rng.random() < 0.6 else ("smaller", "larger")
    by_name = {name: ledger.capped_account(payer, most[name], currency) for name in order}
    sources = list(by_name.values())
    sums = (small, large) if rng.random() < 0.7 else (large, small)
    targets = [ledger.account(person, (), currency) for person in (first, second)]
    lists = tuple(listed(person) for person in (payer, first, second))
    ways = tuple(
        Way(
            (*lists, transfer(one, targets[0], sums[0]), transfer(other, targets[1], sums[1])),
            f"{one} then {other}",
            OBVIOUS if one == other == sources[0] else 1.0,
        )
        for one in sources
        for other in sources
    )
    fields = {"amount": sums[0], "amount2": sums[1], "payer": payer, "payee": first, "payee2": second}
    return TaskTurn(worded(ledger, _EACH, **fields), ways), by_name["larger"]


def _two_sums(ledger: Ledger) -> tuple[int, int]:
    """Two sums, the smaller one first."""
    while True:
        one, other = ledger.amount(250), ledger.amount(250)
        if abs(one - other) >= _APART:
            return min(one, other), max(one, other)


def _tens(ledger: Ledger, least: int, below: int) -> int:
    """A multiple of ten, at least so much and below so much."""
    return 10 * ledger.rng.randint(-(-least // 10), (below - 1) // 10)


def closing(ledger: Ledger) -> TaskTurn:
    """A payment to somebody one of whose accounts is to be closed: paid there, it cannot be closed."""
    payer, payee = ledger.people(2)
    sum_, currency = ledger.amount(), ledger.currency()
    ledger.bank.operator = "manager"
    source = ledger.account(payer, (sum_,), currency)
    targets = [ledger.account(payee, (), currency, empty=True) for _ in range(2)]
    close = {"account": targets[0 if ledger.rng.random() < 0.7 else 1]}
    ends = PlannedCall("close_account", close)
    payment = (PAY, {"amount": sum_, "payer": source, "payee": payee})
    closes = (SIMPLE["close_account"], close)
    first = ledger.rng.random() < 0.3
    query = joined(ledger, closes, payment) if first else joined(ledger, payment, closes)
    return TaskTurn(
        query,
        tuple(
            Way(
                (ends, listed(payee), transfer(source, target, sum_))
                if first
                else (listed(payee), transfer(source, target, sum_), ends),
                target,
                weight,
            )
            for target, weight in by_account(targets)
        ),
    )


def every(ledger: Ledger) -> TaskTurn:
    """The same to each of several things: it looks done after the first."""
    rng = ledger.rng
    (owner,) = ledger.people(1)
    currency = ledger.currency()
    count = rng.choice((2, 2, 3))
    kind = rng.choice(sorted(_EVERY))
    if kind == "freeze_account":
        things = [ledger.account(owner, (), currency) for _ in range(count)]
        look, key, fields = listed(owner), "account", {"owner": owner}
    else:
        account = ledger.account(owner, (), currency)
        others = [ledger.account(person, (), currency) for person in ledger.people(count)]
        things = [ledger.schedule_between(account, other) for other in others]
        look, key, fields = (
            PlannedCall("list_schedules", {"account": account}),
            "schedule",
            {"account": account},
        )
    calls = tuple(PlannedCall(kind, {key: thing}) for thing in things)
    return TaskTurn(
        worded(ledger, _EVERY[kind], **fields),
        (Way((look, calls[0]), "one", 2.0, short=True), Way((look, *calls), "all", 1.0)),
    )


def later(ledger: Ledger) -> tuple[TaskTurn, ...]:
    """Cash from one of a payer's accounts; in the next turn two payments that it leaves less room for."""
    (payer,) = ledger.people(1)
    cash = ledger.amount(150)
    then, source = _limits(ledger, payer, before=cash)
    taken = {"account": source, "amount": cash}
    query = worded(ledger, SIMPLE["withdraw"], **taken)
    return TaskTurn(query, (Way((PlannedCall("withdraw", taken),), "withdraw"),)), then


TRAPS: Final[Families] = {
    "limits": (limits, 4), "closing": (closing, 3), "every": (every, 3), "later": (later, 2),
}  # fmt: skip
"""The families of traps, each with its share of the tasks."""
