"""Logs of the pocket bank, made by running its real code on random calls."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from artis_sdk.pocket import Bank, pocket_tools
from artis_sdk.pocket.bank import Account, BankError, Hold, Schedule, Transfer
from artis_sdk.records import CallRecord, History, Outcome, Provenance, Step, ToolCall
from artis_sdk.records.jsonable import jsonable
from artis_sdk.tools import GuardedTool

OWNERS = ("ann", "bob", "eve", "kim", "lee", "max", "sam", "zoe")
CURRENCIES = ("EUR", "EUR", "EUR", "USD", "GBP")


def random_bank(rng: random.Random, size: int = 4) -> Bank:
    """So many accounts, and a few transfers, holds and schedules among them."""
    ids = [f"A{n}" for n in rng.sample(range(100, 1000), size)]
    accounts = {
        name: Account(
            id=name,
            owner=rng.choice(OWNERS),
            currency=rng.choice(CURRENCIES),
            balance=rng.choice([0, 50, 200, 500, 900]),
            limit=rng.choice([100, 400, 800]),
            status=rng.choices(["active", "frozen", "closed"], [6, 1, 1])[0],
        )
        for name in ids
    }
    bank = Bank(
        accounts=accounts, operator=rng.choice(["teller", "manager"]), next_number=rng.randrange(500, 900)
    )
    for n in rng.sample(range(100, 500), size - 1):
        source, target = rng.sample(ids, 2)
        amount, day = rng.choice([10, 40, 90]), rng.choice([2, 20, 40])
        bank.transfers[f"T{n}"] = Transfer(f"T{n}", source, target, amount, day, rng.random() < 0.3)
    for n in rng.sample(range(100, 500), size // 2):
        bank.holds[f"H{n}"] = Hold(f"H{n}", rng.choice(ids), rng.choice([10, 60]))
        source, target = rng.sample(ids, 2)
        bank.schedules[f"S{n}"] = Schedule(f"S{n}", source, target, 20, 50)
    return bank


def random_call(bank: Bank, tool: GuardedTool[..., Any], rng: random.Random) -> ToolCall:
    """A call whose identifiers mostly exist and whose amounts are mostly sensible."""

    def known(values: dict[str, Any], letter: str) -> str:
        return (
            rng.choice(list(values))
            if values and rng.random() < 0.85
            else f"{letter}{rng.randrange(100, 1000)}"
        )

    arguments: dict[str, Any] = {}
    for name in tool.spec.parameters["properties"]:
        match name:
            case "account" | "source" | "target" if tool.name != "get_rate":
                arguments[name] = known(bank.accounts, "A")
            case "source" | "target":
                arguments[name] = rng.choice(["EUR", "USD", "GBP", "JPY"])
            case "transfer":
                arguments[name] = known(bank.transfers, "T")
            case "hold":
                arguments[name] = known(bank.holds, "H")
            case "schedule":
                arguments[name] = known(bank.schedules, "S")
            case "owner":
                arguments[name] = rng.choice(OWNERS)
            case "amount":
                arguments[name] = rng.choice([0, 10, 40, 90, 300, 600])
            case "day":
                arguments[name] = rng.choice([30, 41, 45])
            case _:
                raise AssertionError(name)
    return ToolCall(id=f"{rng.getrandbits(64):x}", tool=tool.name, arguments=arguments)


def bank_log(
    sessions: int,
    *,
    calls: int = 4,
    seed: int = 0,
    provenance: Provenance = Provenance.REAL,
    failures: float = 1.0,
    size: int = 4,
    only: frozenset[str] = frozenset(),
) -> Iterator[CallRecord]:
    """The calls of some sessions, each on a bank of its own; every outcome is the real code's.

    Args:
        failures: share of the failing calls that are made; a failing call changes nothing, and so the
            others are as if they had not been thought of.
        size: accounts of a bank.
        only: tools that are called; by default all.
    """
    rng = random.Random(seed)
    bank = Bank()
    tools = [tool for tool in pocket_tools(bank) if not only or tool.name in only]
    for number in range(sessions):
        vars(bank).update(vars(random_bank(rng, size)))
        state = jsonable({"Desk": {"bank": bank}})
        history: History = ()
        while len(history) < calls:
            tool = rng.choice(tools)
            made = random_call(bank, tool, rng)
            outcome = execute(tool, made, provenance)
            if not outcome.ok and rng.random() >= failures:
                continue
            yield CallRecord(
                id=f"{seed}-{number}-{len(history)}",
                at=float(number * 100 + len(history)),
                session=f"s{seed}-{number}",
                task=f"t{seed}-{number}",
                spec=tool.spec,
                call=made,
                state=state,
                history=history,
                outcome=outcome,
            )
            history = (*history, Step(call=made, outcome=outcome))


def execute(tool: GuardedTool[..., Any], made: ToolCall, provenance: Provenance) -> Outcome:
    """What the real code gives back."""
    try:
        return tool.outcome(tool(**made.arguments), provenance)
    except BankError as error:
        return tool.outcome_of_error(error, provenance)
