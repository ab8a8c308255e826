"""Random lives of one plan: approved, edited, refused, ended, killed, gone on with. A real file is the truth.

Run as a program it forks its lives from one warm parent (from `tests/`):

    python -m helpers.agreed_child DIR EXAMPLES

It prints one JSON line, and ends with an error when a law was broken: at every moment the calls that have
really run are among those that somebody had approved by then, each at most as often; so none that was edited
out. A replay that ends has made all of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import signal
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from helpers import ledger
from helpers.commit import Tick, silent
from helpers.crash_child import KillAt, empty, ended, forked
from helpers.crash_journal import TickingJournal
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from artis_sdk import Direct, Session, Toolset, guarded_tool
from artis_sdk.commit import approval
from artis_sdk.commit.approver import Approve, CallRequest, Edit, EditPlan, PlanRequest, Reject
from artis_sdk.commit.journal import CallChange, Decided, PlanChange, SQLiteJournal
from artis_sdk.commit.recover import NotExecuted
from artis_sdk.errors import CommitRefused
from artis_sdk.loop.foresee import bound
from artis_sdk.records import Attempt, CommitMode, Outcome, Plan, Provenance, Result, Step, Task, ToolCall

TICK: list[Tick] = [silent]
FOLDER: list[Path] = [Path()]
Payment = tuple[str, int]


def lines(name: str) -> list[dict[str, Any]]:
    return ledger.lines(FOLDER[0] / name)


def write(name: str, **line: Any) -> None:
    ledger.append(FOLDER[0] / name, line)


def found(call: ToolCall, key: str | None) -> Outcome | NotExecuted:
    for line in lines("truth"):
        if line["key"] == key:
            return Outcome.success({"who": line["who"], "amount": line["amount"]}, Provenance.REAL)
    return NotExecuted()


@guarded_tool(idempotency_key="key", reconcile=found)
def pay(who: str, amount: int, key: str) -> dict[str, Any]:
    TICK[0]("before the effect")
    write("truth", who=who, amount=amount, key=key, at=time.time())
    TICK[0]("after the effect")
    return {"who": who, "amount": amount}


TOOLS = Toolset(pay)


class Life(NamedTuple):
    """What happens while one process works on the plan."""

    mode: CommitMode
    on_plan: str
    """Answer to a plan: approve, reject, remove or change."""
    place: int
    """The foreseen call that is edited, modulo their number."""
    on_call: str
    """Answer to a call: approve, reject or edit; `allow` if nobody is asked about calls."""
    amount: int
    """Amount in edited calls."""
    asks: tuple[Payment, ...]
    """Calls of the agent in a bound commit."""
    late: bool
    """Whether the clock is past the end of the plan."""
    kill: int | None
    """Boundary at which the process is killed."""


PAYMENTS = st.tuples(st.sampled_from("ab"), st.integers(1, 3))
LIVES = st.builds(
    Life,
    mode=st.sampled_from(["bound", "bound", "replay"]),
    on_plan=st.sampled_from(["approve", "approve", "remove", "change", "reject"]),
    place=st.integers(0, 4),
    on_call=st.sampled_from(["approve", "edit", "edit", "reject", "allow", "allow", "allow"]),
    amount=st.integers(1, 3),
    asks=st.lists(PAYMENTS, max_size=5).map(tuple),
    late=st.sampled_from([False, False, False, False, True]),
    kill=st.none() | st.integers(1, 60) | st.integers(1, 60),
)
BEGUN = Life("bound", "change", 0, "allow", 3, (("a", 3),), late=False, kill=None)
EVERYTHING = [
    BEGUN._replace(kill=20),
    BEGUN._replace(on_plan="remove", mode="replay"),
    BEGUN._replace(late=True),
]
"""Lives of one plan that together do all of it, whatever else is drawn."""
LAST = Life("replay", "approve", 0, "approve", 1, (), late=False, kill=None)


def plan_for(payments: list[Payment]) -> Plan:
    steps = tuple(
        Step(
            call=ToolCall(tool="pay", arguments={"who": who, "amount": amount}),
            outcome=Outcome.success({"who": who, "amount": amount}, Provenance.SIMULATED),
        )
        for who, amount in payments
    )
    attempts = (Attempt(index=0, steps=steps, answer="Paid."),)
    task = Task(query="Pay.", tools=TOOLS.specs)
    ends = time.time() + 10_000
    return bound(Plan(task=task, strategy="sequential", attempts=attempts, expires=ends), TOOLS)


async def lived(plan: Plan, life: Life, tick: Tick) -> Result | None:
    """One life; None if the plan was refused."""
    TICK[0] = tick
    if life.late:
        approval.time = SimpleNamespace(time=lambda: time.time() + 20_000)  # type: ignore[attr-defined, assignment]
    edits = 0

    async def ann(request: Any) -> Any:
        nonlocal edits
        tick("asked")
        if isinstance(request, CallRequest):
            arguments = {**request.call.arguments, "amount": life.amount}
            edit = Edit(arguments=arguments, by="ann")
            return {"approve": Approve(by="ann"), "edit": edit}.get(
                life.on_call, Reject(reason="no", by="ann")
            )
        assert isinstance(request, PlanRequest)
        calls = [one.call.arguments for one in request.plan.foreseen]
        write("seen", digest=request.plan.digest, calls=calls)
        if life.on_plan == "reject":
            return Reject(reason="no", by="ann")
        if life.on_plan == "approve" or edits:
            return Approve(by="ann")
        edits += 1
        n = life.place % len(calls)
        if life.on_plan == "remove":
            return EditPlan(removed=(n,), by="ann")
        return EditPlan(arguments={n: {**calls[n], "amount": life.amount}}, by="ann")

    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        for who, amount in life.asks:
            with contextlib.suppress(Exception):  # an agent that goes on whatever happens
                pay(who, amount)  # type: ignore[call-arg]  # the commit fills the key
        return "Done."

    journal = TickingJournal(FOLDER[0] / "journal.db", tick)
    options: dict[str, Any] = {"on_unforeseen": "allow" if life.on_call == "allow" else "ask"}
    options |= {} if life.mode == "replay" else {"agent": agent, "strategy": Direct()}
    try:
        async with Session(tools=TOOLS, journal=journal, mode=life.mode, approve=ann, **options) as session:
            await session.recover()
            try:
                return await session.commit(plan, resume=(FOLDER[0] / "lived").exists())
            except CommitRefused:
                return None
    finally:
        await journal.aclose()


def approved_at(moment: float, plan: Plan) -> tuple[list[Payment], int]:
    """The calls that were approved by then, as the journal has it, and how many of them are the plan's."""
    seen = {line["digest"]: [_payment(one) for one in line["calls"]] for line in lines("seen")}
    approved: list[Payment] = []
    planned = 0
    edited: set[str | None] = set()
    for one in SQLiteJournal(FOLDER[0] / "journal.db").decisions(plan=plan.id):
        if one.at > moment:
            break
        if one.about == "plan" and one.verdict is Decided.EDITED:
            edited.add(one.digest)
        elif one.about == "plan" and one.verdict is Decided.APPROVED:
            assert one.digest not in edited, "the plan as it was before its edit was approved"
            approved, planned = list(seen[one.digest or ""]), len(seen[one.digest or ""])
        elif isinstance(one.change, CallChange):
            made = _payment(one.change.arguments)
            if one.change.place is None:
                approved.append(made)
            else:
                approved[one.change.place] = made
    return approved, planned


def edited_out_at(moment: float, plan: Plan) -> set[Payment]:
    """The calls that were edited out by then, as the journal and the approver's memory have it."""
    seen = {line["digest"]: [_payment(one) for one in line["calls"]] for line in lines("seen")}
    gone: set[Payment] = set()
    for one in SQLiteJournal(FOLDER[0] / "journal.db").decisions(plan=plan.id):
        if one.at > moment or one.verdict is not Decided.EDITED:
            continue
        if isinstance(one.change, PlanChange):
            gone |= {seen[one.digest or ""][n] for n in (*one.change.removed, *one.change.edited)}
        elif one.arguments is not None and one.change is not None and one.arguments != one.change.arguments:
            gone.add(_payment(one.arguments))
    return gone


def _payment(arguments: Any) -> Payment:
    return str(arguments["who"]), int(arguments["amount"])


def check(plan: Plan, *, allowed: bool) -> Counter[str]:
    """Check the laws.

    Args:
        allowed: whether an agent might make calls that nobody decided on.
    """
    ran: Counter[Payment] = Counter()
    keys = [line["key"] for line in lines("truth")]
    assert len(set(keys)) == len(keys), "a call was executed twice"
    for line in lines("truth"):
        ran[line["who"], line["amount"]] += 1
        approved, _ = approved_at(line["at"], plan)
        more = ran - Counter(approved)
        assert allowed or not more, f"{ran} ran, and approved were {approved}"
        gone = edited_out_at(line["at"], plan)
        last = (line["who"], line["amount"])
        assert last not in more or last not in gone, f"{last} ran, and was edited out"
    return Counter(ran=len(keys))


def trial(payments: list[Payment], lives: list[Life]) -> Counter[str]:
    empty(FOLDER[0])
    plan = plan_for(payments)
    seen: Counter[str] = Counter(trials=1)
    allowed = False
    for life in lives:
        before = len(lines("truth"))
        status = ended(forked(partial(_live, plan, life)))
        assert status in (0, -signal.SIGKILL), f"a life ended with {status}"
        seen["killed"] += status != 0
        if life.late:
            assert len(lines("truth")) == before, "a call ran after the plan's end"
            seen["late"] += 1
        allowed |= life.on_call == "allow"
        check(plan, allowed=allowed)
        (FOLDER[0] / "lived").touch()
    result = asyncio.run(lived(plan, LAST, silent))
    seen += check(plan, allowed=allowed)
    for one in SQLiteJournal(FOLDER[0] / "journal.db").decisions(plan=plan.id):
        seen[f"{one.about} {one.verdict.value}"] += 1
    if result is not None and result.ended == "answer":
        approved, planned = approved_at(time.time(), plan)
        ran = Counter((line["who"], line["amount"]) for line in lines("truth"))
        assert Counter(approved[:planned]) <= ran, f"{ran} ran, and approved were {approved[:planned]}"
        seen["ended"] += 1
    return seen


def _live(plan: Plan, life: Life) -> None:
    asyncio.run(lived(plan, life, silent if life.kill is None else KillAt(life.kill)))


if __name__ == "__main__":
    FOLDER[0] = Path(sys.argv[1])
    FOLDER[0].mkdir(parents=True, exist_ok=True)
    total: Counter[str] = Counter()
    trial([("a", 1)], [])  # warm
    gc.freeze()

    @settings(
        max_examples=int(sys.argv[2]),
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @example(payments=[("a", 1), ("b", 2)], lives=EVERYTHING)
    @given(payments=st.lists(PAYMENTS, min_size=1, max_size=4), lives=st.lists(LIVES, max_size=5))
    def law(payments: list[Payment], lives: list[Life]) -> None:
        total.update(trial(payments, lives))

    law()
    print(json.dumps(total))
