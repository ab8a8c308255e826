"""The families of tasks: their wordings, their plans, and the obstacles hidden in the bank's books."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Final

from artis_sdk.pocket.bank import Bank
from artis_sdk.pocket.desk import TOOL_NAMES
from artis_sdk.pocket.ledger import Ledger
from artis_sdk.pocket.task import PlannedCall, PocketTask, TaskTurn, Way
from artis_sdk.pocket.words import Part, Piece, amount, phrase

OBVIOUS: Final = 3.0
"""How much more readily the obvious plan comes to mind than any other."""

PAY: Final = (
    "send {amount} from {payer} to {payee}",
    "pay {payee} {amount} out of {payer}",
    "transfer {amount} from {payer} to {payee}",
    "let {payer} pay {amount} to {payee}",
    "{payee} gets {amount} from {payer}",
    "give {payee} {amount} from {payer}",
)
_TWO: Final = (
    "send {amount} to {payee} and {amount2} to {payee2}, both from one account of {payer}",
    "from one account of {payer} pay {payee} {amount} and {payee2} {amount2}",
    "pay {amount} to {payee}, then {amount2} to {payee2}, from the same account of {payer}",
)
_OWN: Final = (
    "move {amount} from {source} to {target}",
    "put {amount} from {source} into {target}",
    "shift {amount} over from {source} to {target}",
)
_BACK: Final = ("give back {transfer}", "refund {transfer}", "return the money of {transfer}")
SIMPLE: Final[dict[str, tuple[str, ...]]] = {
    "withdraw": (
        "pay {amount} out of {account} in cash",
        "withdraw {amount} from {account}",
        "take {amount} in cash from {account}",
    ),
    "place_hold": (
        "hold {amount} on {account}",
        "set {amount} aside on {account}",
        "block {amount} on {account}",
    ),
    "release_hold": ("release {hold}", "lift the hold {hold}", "let go of {hold}"),
    "freeze_account": ("freeze {account}", "stop all money on {account}", "lock {account}"),
    "unfreeze_account": ("unfreeze {account}", "unlock {account}", "let money move on {account}"),
    "set_limit": (
        "set the limit of {account} to {amount}",
        "make {amount} the limit of {account}",
        "limit {account} to {amount}",
    ),
    "schedule_transfer": (
        "schedule {amount} from {account} to {target} for day {day}",
        "plan {amount} from {account} to {target} on day {day}",
        "on day {day}, {amount} shall go from {account} to {target}",
    ),
    "cancel_schedule": ("cancel {schedule}", "drop {schedule}", "call off {schedule}"),
    "close_account": ("close {account}", "shut {account} for good", "end the account {account}"),
    "transfer": (
        "send {amount} from {account} to {target}",
        "move {amount} from {account} to {target}",
        "transfer {amount} from {account} to {target}",
    ),
}
_ASK: Final[dict[str, tuple[str, ...]]] = {
    "free": ("how much is free on {account}", "what does {account} have", "tell me what is on {account}"),
    "left": ("how much may {account} still send", "what is left of the limit of {account}"),
    "status": ("is {account} frozen", "what is the status of {account}"),
    "amount": ("how much was {transfer}", "what did {transfer} send"),
    "rate": ("what is the rate from {one} to {two}", "what are 100 {one} in {two}"),
    "statement": ("which transfers has {account}", "list the transfers of {account}"),
    "schedules": ("what is scheduled on {account}", "list the schedules of {account}"),
}


def worded(ledger: Ledger, forms: tuple[str, ...], **fields: object) -> str:
    return phrase(ledger.rng, ledger.part, (forms, fields))


def joined(ledger: Ledger, one: Piece, other: Piece) -> str:
    return phrase(ledger.rng, ledger.part, one, other, joins=(" and ", ", and also "))


def _spread(ledger: Ledger, owner: str, needs: tuple[int, ...], currency: str) -> list[str]:
    """Accounts of a payer, one to three; the first one listed is usually unsuitable."""
    rng = ledger.rng
    count = rng.choice((1, 2, 2, 3))
    fits = [True] * count
    if count > 1 and rng.random() < 0.8:
        fits = [False] * count
        fits[rng.choice((0, *range(1, count), *range(1, count)))] = True
    elif rng.random() < 0.08:
        fits = [False] * count
    return [ledger.account(owner, needs, currency, fits=fit) for fit in fits]


def listed(owner: str) -> PlannedCall:
    return PlannedCall("list_accounts", {"owner": owner})


def transfer(source: str, target: str, amount: int) -> PlannedCall:
    return PlannedCall("transfer", {"source": source, "target": target, "amount": amount})


def by_account(accounts: list[str]) -> list[tuple[str, float]]:
    return [(account, OBVIOUS if n == 0 else 1.0) for n, account in enumerate(accounts)]


def pay(ledger: Ledger) -> TaskTurn:
    """One payment between people; which of the payer's accounts can pay is hidden."""
    payer, payee = ledger.people(2)
    sum_, currency = ledger.amount(), ledger.currency()
    sources = _spread(ledger, payer, (sum_,), currency)
    target = ledger.account(payee, (), currency)
    return TaskTurn(
        worded(ledger, PAY, amount=sum_, payer=payer, payee=payee),
        tuple(
            Way((listed(payer), listed(payee), transfer(source, target, sum_)), source, weight)
            for source, weight in by_account(sources)
        ),
    )


def payee(ledger: Ledger) -> TaskTurn:
    """A payment from a named account; which of the payee's accounts can take it is hidden."""
    payer, payee = ledger.people(2)
    sum_, currency = ledger.amount(), ledger.currency()
    source = ledger.account(payer, (sum_,), currency)
    fits = [True, True]
    if ledger.rng.random() < 0.8:
        fits[0 if ledger.rng.random() < 0.7 else 1] = False
    targets = [ledger.account(payee, (), currency, fits=fit) for fit in fits]
    return TaskTurn(
        worded(ledger, PAY, amount=sum_, payer=source, payee=payee),
        tuple(
            Way((listed(payee), transfer(source, target, sum_)), target, weight)
            for target, weight in by_account(targets)
        ),
    )


def two(ledger: Ledger) -> TaskTurn:
    """Two payments from one account: the first may go through where the second does not."""
    payer, first, second = ledger.people(3)
    sums, currency = (ledger.amount(250), ledger.amount(250)), ledger.currency()
    sources = _spread(ledger, payer, sums, currency)
    targets = [ledger.account(person, (), currency) for person in (first, second)]
    lists = tuple(listed(person) for person in (payer, first, second))
    return TaskTurn(
        worded(ledger, _TWO, amount=sums[0], amount2=sums[1], payer=payer, payee=first, payee2=second),
        tuple(
            Way(
                (*lists, transfer(source, targets[0], sums[0]), transfer(source, targets[1], sums[1])),
                source,
                weight,
            )
            for source, weight in by_account(sources)
        ),
    )


def order(ledger: Ledger) -> TaskTurn:
    """Two steps of which the one named first gets in the way of the other."""
    owner, other = ledger.people(2)
    sum_, currency = ledger.amount(), ledger.currency()
    target = ledger.account(other, (), currency)
    kind = ledger.rng.choice(("freeze_account", "set_limit", "release_hold"))
    paying = ledger.rng.choice(("transfer", "withdraw"))
    if kind == "release_hold":
        source, hold = ledger.held_account(owner, sum_, currency)
        aside, first = PlannedCall(kind, {"hold": hold}), paying
    elif kind == "set_limit":
        source = ledger.account(owner, (sum_,), currency)
        limit = amount(ledger.rng, ledger.part, 10, 300)
        aside, first = PlannedCall(kind, {"account": source, "amount": limit}), kind
    else:
        source = ledger.account(owner, (sum_,), currency)
        aside, first = PlannedCall(kind, {"account": source}), kind
    move = (
        transfer(source, target, sum_)
        if paying == "transfer"
        else PlannedCall("withdraw", {"account": source, "amount": sum_})
    )
    moving: Piece = (SIMPLE[paying], {"account": source, "target": target, "amount": sum_})
    setting: Piece = (SIMPLE[kind], aside.arguments)
    pair = [(moving, move), (setting, aside)] if first == paying else [(setting, aside), (moving, move)]
    if ledger.rng.random() < 0.25:
        pair.reverse()
    (one, before), (other_, after) = pair
    query = joined(ledger, one, other_)
    return TaskTurn(
        query,
        (
            Way((before, after), f"{before.tool} first", OBVIOUS),
            Way((after, before), f"{after.tool} first"),
        ),
    )


def own(ledger: Ledger) -> TaskTurn:
    """Between two accounts of one person: a transfer, or a conversion if their currencies differ."""
    (owner,) = ledger.people(1)
    sum_, currency = ledger.amount(), ledger.currency()
    source = ledger.account(owner, (sum_,), currency)
    same = ledger.rng.random() < 0.4
    target = ledger.account(owner, (), currency if same else ledger.currency(but=currency))
    arguments = {"source": source, "target": target, "amount": sum_}
    return TaskTurn(
        worded(ledger, _OWN, amount=sum_, source=source, target=target),
        (
            Way((PlannedCall("transfer", arguments),), "transfer", OBVIOUS),
            Way((PlannedCall("convert", arguments),), "convert"),
        ),
    )


def back(ledger: Ledger) -> TaskTurn:
    """Money back: a refund, or a transfer the other way if it is too late for a refund."""
    payer, payee = ledger.people(2)
    sum_, currency = ledger.amount(), ledger.currency()
    source, target = ledger.account(payer, (), currency), ledger.account(payee, (sum_,), currency)
    found = ledger.past_transfer(source, target, sum_, old=ledger.rng.random() < 0.6)
    look = PlannedCall("get_transfer", {"transfer": found})
    return TaskTurn(
        worded(ledger, _BACK, transfer=found),
        (
            Way((look, PlannedCall("refund", {"transfer": found})), "refund", OBVIOUS),
            Way((look, transfer(target, source, sum_)), "transfer"),
        ),
    )


def simple(ledger: Ledger) -> TaskTurn:
    """One or two steps that are named outright."""
    tools = ledger.rng.sample(sorted(SIMPLE), 1 if ledger.rng.random() < 0.7 else 2)
    steps = [_step(ledger, tool) for tool in tools]
    choice = f"{tools[0]} first" if len(tools) > 1 else tools[0]
    pieces = [piece for piece, _ in steps]
    query = joined(ledger, *pieces) if len(pieces) > 1 else phrase(ledger.rng, ledger.part, *pieces)
    return TaskTurn(query, (Way(tuple(call for _, call in steps), choice),))


def _step(ledger: Ledger, tool: str) -> tuple[Piece, PlannedCall]:
    """A step and its wordings; now and then the bank refuses it."""
    rng = ledger.rng
    owner, other = ledger.people(2)
    sum_, fits = ledger.amount(), rng.random() < 0.9
    fields: dict[str, object] = {"amount": sum_}
    currency = ledger.currency()
    match tool:
        case "release_hold":
            fields = {
                "hold": ledger.hold(ledger.account(owner, (sum_,)), sum_ // 2) if fits else ledger.id("H")
            }
        case "cancel_schedule":
            fields = {"schedule": ledger.schedule(owner, other) if fits else ledger.id("S")}
        case "freeze_account":
            fields = {"account": ledger.account(owner, ())}
        case "unfreeze_account":
            ledger.bank.operator = "manager" if fits else "teller"
            fields = {"account": ledger.account(owner, (), status="frozen")}
        case "close_account":
            ledger.bank.operator = "manager"
            fields = {"account": ledger.account(owner, (), empty=fits)}
        case "set_limit":
            fields["account"] = (
                ledger.account(owner, (sum_,)) if fits else ledger.account(owner, (), limit=50)
            )
        case "schedule_transfer":
            fields["account"] = ledger.account(owner, (sum_,), currency)
            fields["target"] = ledger.account(other, (), currency)
            fields["day"] = ledger.bank.day + (rng.randint(1, 9) if fits else -rng.randint(1, 5))
        case "transfer":
            fields["account"] = ledger.account(owner, (sum_,), currency, fits=fits)
            fields["target"] = ledger.account(other, (), currency)
        case _:
            fields["account"] = ledger.account(owner, (sum_,), fits=fits)
    arguments = {**fields, "source": fields.get("account")}
    return (SIMPLE[tool], fields), PlannedCall(tool, {key: arguments[key] for key in TOOL_NAMES[tool]})


def extra(ledger: Ledger) -> TaskTurn:
    """A step that always goes through and cannot be undone, then a payment that may not."""
    (person,) = ledger.people(1)
    cash = ledger.amount(200)
    arguments = {"account": ledger.account(person, (cash,)), "amount": cash}
    main = pay(ledger)
    *_, lists, listed, last = main.ways[0].calls
    fields = {
        "amount": last.arguments["amount"],
        "payer": lists.arguments["owner"],
        "payee": listed.arguments["owner"],
    }
    return TaskTurn(
        joined(ledger, (SIMPLE["withdraw"], arguments), (PAY[:4], fields)),
        tuple(
            Way((PlannedCall("withdraw", arguments), *way.calls), way.choice, way.weight) for way in main.ways
        ),
    )


def ask(ledger: Ledger) -> TaskTurn:
    """A question."""
    what = ledger.rng.choice(sorted(_ASK))
    owner, other = ledger.people(2)
    currency = ledger.currency()
    account = ledger.account(owner, (), currency, fits=ledger.rng.random() < 0.7)
    fields: dict[str, str] = {"account": account}
    asked = what if what in ("free", "left", "status", "amount") else ""
    tools = {"free": "get_account", "status": "get_account", "left": "get_limit"}
    if what == "rate":
        one, two_ = ledger.currency(), ledger.currency()
        call = PlannedCall("get_rate", {"source": one, "target": two_})
        fields = {"one": one, "two": two_}
    elif what == "amount":
        target = ledger.account(other, (), currency)
        found = ledger.past_transfer(account, target, ledger.amount(), old=False)
        call, fields = PlannedCall("get_transfer", {"transfer": found}), {"transfer": found}
    elif what in ("statement", "schedules"):
        tool = "get_statement" if what == "statement" else "list_schedules"
        for _ in range(ledger.rng.randint(0, 2)):
            target = ledger.account(other, (), currency)
            if what == "statement":
                ledger.past_transfer(account, target, ledger.amount(), old=False)
            else:
                ledger.schedule_between(account, target)
        call = PlannedCall(tool, {"account": account})
    else:
        call = PlannedCall(tools[what], {"account": account})
    query = worded(ledger, _ASK[what], **fields)
    return TaskTurn(query, (Way((call,), call.tool),), asked=asked, reads=True)


def missing(ledger: Ledger) -> tuple[TaskTurn, ...]:
    """A payment whose amount or payee the user forgets to say, and then says."""
    whole = pay(ledger)
    calls = whole.ways[0].calls
    payer, payee_, sum_ = (
        calls[0].arguments["owner"],
        calls[1].arguments["owner"],
        calls[2].arguments["amount"],
    )
    if ledger.rng.random() < 0.5:
        forms = ("send money from {payer} to {payee}", "let {payer} pay {payee}", "pay {payee} from {payer}")
        query, reply, then = worded(ledger, forms, payer=payer, payee=payee_), "How much?", f"{sum_}."
    else:
        forms = ("send {amount} from {payer}", "pay {amount} out of {payer}", "let {payer} pay {amount}")
        query, reply, then = worded(ledger, forms, payer=payer, amount=sum_), "To whom?", f"To {payee_}."
    return TaskTurn(query, reply=reply), TaskTurn(then, whole.ways)


Family = Callable[[Ledger], TaskTurn | tuple[TaskTurn, ...]]
HIDDEN: Final[dict[str, Family]] = {
    "pay": pay, "payee": payee, "two": two, "order": order, "own": own, "back": back, "extra": extra,
}  # fmt: skip
Families = Mapping[str, tuple[Family, float]]
FAMILIES: Final[Families] = {
    "pay": (pay, 14), "payee": (payee, 8), "two": (two, 12), "extra": (extra, 10), "order": (order, 14),
    "own": (own, 7), "back": (back, 7), "simple": (simple, 14), "ask": (ask, 5), "miss_param": (missing, 4),
}  # fmt: skip
"""The families, each with its share of the tasks."""
NO_TOOL: Final = "I have no tool for that."


def make(id: str, part: Part, families: Families = FAMILIES) -> PocketTask:
    """The task of a name, always the same.

    Args:
        id: the name.
        part: part of names, amounts and wordings; see `words`.
        families: the families, each with its share of the tasks.
    """
    rng = random.Random(id)
    ledger = Ledger(rng, part, Bank())
    family = rng.choices(list(families), [share for _, share in families.values()])[0]
    made = families[family][0](ledger)
    turns = made if isinstance(made, tuple) else (made,)
    kind = rng.random()
    if kind < 0.07 and len(turns) == 1:
        second = rng.choice((pay, own, simple))(ledger)
        turns, family = (*turns, second), "turns"
    needed = {call.tool for turn in turns for way in turn.ways for call in way.calls}
    gone: set[str] = set()
    if rng.random() < 0.3:
        gone = set(rng.sample(sorted(set(TOOL_NAMES) - needed), rng.randint(1, 4)))
    if kind > 0.94 and len(turns) == 1 and len(turns[0].ways) == 1:
        gone.add(turns[0].ways[0].calls[-1].tool)
        turns, family = (TaskTurn(turns[0].query, reply=NO_TOOL),), "miss_func"
    ledger.shuffle()
    return PocketTask(id, family, ledger.bank, turns, tuple(name for name in TOOL_NAMES if name not in gone))
