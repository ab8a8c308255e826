"""The real world: every call journaled, recorded and compared with what was predicted."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.commit import REDACT, make_world, steps, until
from pydantic import SecretStr

from artis_sdk.commit.commit import RealWorld
from artis_sdk.commit.journal import CallState, CommitJournal, SQLiteJournal
from artis_sdk.errors import CommitRefused, JournalError, UnknownOutcome
from artis_sdk.records import (
    Attempt,
    CallRecord,
    Outcome,
    Plan,
    Provenance,
    Risk,
    Step,
    Task,
    ToolCall,
)
from artis_sdk.records.events import CallBegun, CallCommitted, Event
from artis_sdk.tools import Toolset, guarded_tool
from artis_sdk.tools.world import entered


class Records(list[CallRecord]):
    """A call log in memory."""

    def records(self) -> Iterator[CallRecord]:
        return iter(self)

    def flush(self) -> None: ...

    def close(self) -> None: ...


class Shop:
    """Real tools that remember that they ran."""

    def __init__(self) -> None:
        self.ran: list[str] = []

        @guarded_tool
        def buy(item: str, amount: int = 1) -> dict[str, Any]:
            self.ran.append(f"buy {item}")
            if item == "gold":
                raise ValueError("no gold left")
            return {"bought": item, "amount": amount}

        @guarded_tool(risk=Risk.READ_ONLY)
        async def stock(item: str) -> int:
            self.ran.append(f"stock {item}")
            return 5

        @guarded_tool(risk=Risk.REVERSIBLE)
        async def reserve(item: str) -> str:
            self.ran.append(f"reserve {item}")
            return f"{item} reserved"

        @guarded_tool(idempotency_key="key")
        async def order(item: str, pin: SecretStr | None = None, key: str | None = None) -> str:
            self.ran.append(f"order {item} with {key}")
            return f"ordered with {pin.get_secret_value() if pin else None}"

        self.tools = Toolset(buy, stock, reserve, order)

    def call(self, tool: str, **arguments: Any) -> Any:
        return self.tools[tool].parse(ToolCall(tool=tool, arguments=arguments))


@pytest.fixture
def shop() -> Shop:
    return Shop()


def predicting(*predicted: Step) -> Plan:
    return Plan(
        task=Task(query="buy", state={"money": 7}),
        strategy="sequential",
        attempts=(Attempt(index=0, steps=predicted),),
    )


async def test_a_call_is_journaled_recorded_reported_and_compared(journal: CommitJournal, shop: Shop) -> None:
    plan = predicting(*steps(buy={"item": "tea", "amount": 2}))
    records, events = Records(), list[Event]()
    world = RealWorld(journal, plan, redact=REDACT, record=records, emit=events.append, session="s1")
    async with world.open():
        (first, second) = await world.handle_turn(
            [shop.call("buy", item="tea", amount=2), shop.call("buy", item="gold")]
        )
    assert first.value == {"bought": "tea", "amount": 2}
    assert first.outcome.provenance is Provenance.REAL
    assert isinstance(second.error, ValueError)
    assert shop.ran == ["buy tea", "buy gold"]

    tea, gold = world.calls
    assert tea.outcome == first.outcome
    assert (tea.predicted, tea.diverged) == (plan.predicted[0].outcome, True)
    assert (gold.outcome.type, gold.predicted, gold.nested) == ("ValueError", None, False)
    assert [call.id for call in journal.calls()] == [tea.journal_id, gold.journal_id]
    assert [call.outcome for call in journal.calls()] == [tea.outcome, gold.outcome]
    assert [event.committed for event in events if isinstance(event, CallCommitted)] == [tea, gold]
    begun = [event for event in events if isinstance(event, CallBegun)]
    assert [(event.call, event.risk, event.journal_id) for event in begun] == [
        (made.call, made.risk, made.journal_id) for made in (tea, gold)
    ]
    assert [type(event) for event in events] == [CallBegun, CallCommitted] * 2

    one, two = records
    assert (one.call, one.outcome, one.predicted) == (tea.call, tea.outcome, tea.predicted)
    assert (one.state, one.history, one.session, one.task) == ({"money": 7}, (), "s1", plan.task.id)
    assert one.source_hash == shop.tools["buy"].source_hash
    assert one.risk is Risk.IRREVERSIBLE
    assert two.history == (Step(call=tea.call, outcome=tea.outcome),)
    assert world.history == (*two.history, Step(call=gold.call, outcome=gold.outcome))
    assert CallRecord.model_validate_json(two.model_dump_json()) == two


async def test_a_call_is_told_of_before_it_runs_and_after_its_intent(
    journal: CommitJournal, shop: Shop
) -> None:
    def look(event: Event) -> None:
        if isinstance(event, CallBegun):
            assert shop.ran == []
            assert [call.id for call in journal.calls()] == [event.journal_id]
            raise LookupError("the listener failed")

    world = make_world(journal, emit=look)
    with pytest.raises(LookupError):
        async with world.open():
            await world.handle(shop.call("buy", item="tea"))
    assert shop.ran == []
    (call,) = journal.calls()
    assert call.state is CallState.NOT_EXECUTED


async def test_the_history_of_a_record_goes_back_to_the_state(journal: CommitJournal, shop: Shop) -> None:
    earlier = steps(stock={"item": "tea"})
    plan = Plan(task=Task(query="buy", history=earlier), strategy="direct")
    records = Records()
    world = RealWorld(journal, plan, redact=REDACT, record=records)
    async with world.open():
        await world.handle(shop.call("stock", item="tea"))
    assert records[0].history == earlier
    assert len(world.history) == 1


async def test_a_prediction_is_for_the_same_call_and_for_one_of_them(
    journal: CommitJournal, shop: Shop
) -> None:
    predicted = (
        *steps(buy={"item": "tea"}),
        *steps(buy={"item": "milk"}),
        *steps(buy={"item": "tea"}),
        Step(
            call=ToolCall(tool="buy", arguments={"item": "ham"}),
            outcome=Outcome.failure("invalid_arguments", "no", Provenance.FORCED),
        ),
    )
    world = RealWorld(journal, predicting(*predicted), redact=REDACT)
    async with world.open():
        for item in ("milk", "tea", "tea", "tea", "ham"):
            await world.handle(shop.call("buy", item=item))
        await world.handle(shop.call("buy", amount=1, item="tea"))
    assert [call.predicted for call in world.calls] == [
        predicted[1].outcome,
        predicted[0].outcome,
        predicted[2].outcome,
        None,
        None,
        None,
    ]


async def test_an_idempotency_key_is_the_calls_own_and_the_same_on_a_retry(
    tmp_path: Path, shop: Shop
) -> None:
    numbers = itertools.count()

    async def keys(plan: str, *items: str) -> list[str | None]:
        journal = SQLiteJournal(tmp_path / f"{next(numbers)}.db")
        world = make_world(journal, plan)
        async with world.open():
            for item in items:
                await world.handle(shop.call("stock", item=item))
                await world.handle(shop.call("order", item=item))
        found = [call.idempotency_key for call in journal.calls() if call.tool == "order"]
        await journal.aclose()
        return found

    first = await keys("p", "tea", "tea", "milk")
    assert len(set(first)) == 3
    assert await keys("p", "milk", "tea", "tea") == [first[2], first[0], first[1]]
    assert not set(first) & set(await keys("q", "tea", "tea", "milk"))
    assert {line.split()[-1] for line in shop.ran if line.startswith("order")} >= set(map(str, first))


async def test_a_key_of_the_callers_own_is_kept(journal: CommitJournal, shop: Shop) -> None:
    world = make_world(journal)
    async with world.open():
        await world.handle(shop.tools["order"].bind("tea", key="mine"))
        await world.handle(shop.tools["order"].bind("tea", key=None))
    assert shop.ran[0] == "order tea with mine"
    assert "None" not in shop.ran[1]
    assert journal.calls()[0].idempotency_key == "mine"


async def test_secrets_do_not_reach_the_file(tmp_path: Path, shop: Shop) -> None:
    path = tmp_path / "journal.db"
    keys = []
    for pin in ("4711-0815", "8888-9999"):
        journal = SQLiteJournal(path.with_suffix(f".{pin[:2]}"))
        world = make_world(journal)
        async with world.open():
            reply = await world.handle(shop.call("order", item="tea", pin=pin))
        assert reply.value == f"ordered with {pin}"
        (call,) = journal.calls()
        keys.append(call.idempotency_key)
        assert call.arguments["item"] == "tea"
        await journal.aclose()
        assert pin.encode() not in journal.path.read_bytes()
    assert keys[0] == keys[1]  # a short secret could be found from the key by trying


async def test_no_call_is_made_whose_intent_cannot_be_written(tmp_path: Path, shop: Shop) -> None:
    journal = SQLiteJournal(tmp_path / "journal.db")
    world = make_world(journal)

    async def session() -> None:
        async with world.open():
            journal.path.unlink()
            for tool in ("buy", "reserve", "order"):
                with pytest.raises(JournalError):
                    await world.handle(shop.call(tool, item="tea"))

    with pytest.raises(JournalError):  # the end of the commit cannot be written either
        await session()
    assert shop.ran == []
    assert world.calls == ()
    await journal.aclose()


async def test_an_outcome_that_cannot_be_written_ends_the_commit_and_says_so(tmp_path: Path) -> None:
    journal = SQLiteJournal(tmp_path / "journal.db")
    ran = []

    @guarded_tool
    async def pay(amount: int) -> str:
        ran.append(amount)
        journal.path.unlink()
        return "paid"

    records = Records()
    world = make_world(journal, record=records)
    pays = Toolset(pay)["pay"]

    async def session() -> None:
        async with world.open():
            for amount in (1, 2):
                with pytest.raises(UnknownOutcome):
                    await world.handle(pays.bind(amount))

    with pytest.raises(UnknownOutcome, match=r"was made .success., but its outcome") as raised:
        await session()
    assert raised.value.journal_id == "p:0"
    assert ran == [1]
    assert [call.outcome.value for call in world.calls] == ["paid"]
    assert [record.outcome.value for record in records] == ["paid"]
    await journal.aclose()


async def test_calls_within_calls_are_journaled_and_set_apart(journal: CommitJournal) -> None:
    @guarded_tool
    def debit(account: str) -> str:
        return f"debited {account}"

    @guarded_tool
    async def credit(account: str) -> str:
        return f"credited {account}"

    @guarded_tool
    async def transfer(source: str, target: str) -> list[str]:
        return [debit(source), await credit(target), await asyncio.to_thread(debit, "fees")]

    @guarded_tool
    def transfer_all(sources: list[str]) -> list[Any]:
        return [debit(source) for source in sources]

    tools = Toolset(debit, credit, transfer, transfer_all)
    plan = predicting(*steps(debit={"account": "a"}))
    records = Records()
    world = RealWorld(journal, plan, redact=REDACT, record=records)
    async with world.open():
        with entered(world):
            async with asyncio.timeout(10):
                replies = await asyncio.gather(
                    *(world.handle(tools["transfer"].bind("a", "b")) for _ in range(20)),
                    *(world.handle(tools["transfer_all"].bind(["a", "b"])) for _ in range(20)),
                )
                await world.handle(tools["debit"].bind("a"))
    assert replies[0].value == ["debited a", "credited b", "debited fees"]
    assert replies[-1].value == ["debited a", "debited b"]
    assert len(world.history) == 41
    assert sum(call.nested for call in world.calls) == 20 * 3 + 20 * 2
    assert {call.state for call in journal.calls()} == {CallState.DONE}
    assert len(journal.calls()) == len(world.calls) == len(records) == 41 + 100
    assert [call.predicted is not None for call in world.calls][-1]  # the agent's own call, not a nested one
    assert sum(call.predicted is not None for call in world.calls) == 1


async def test_nothing_is_called_before_the_commit_or_after_it(journal: CommitJournal, shop: Shop) -> None:
    world = make_world(journal)
    call = shop.call("buy", item="tea")
    with pytest.raises(CommitRefused):
        await world.handle(call)
    async with world.open():
        pass
    with pytest.raises(CommitRefused, match="has ended"):
        await world.handle(call)
    with pytest.raises(CommitRefused, match="has ended"):
        await world.handle(shop.call("stock", item="tea"))
    assert shop.ran == []
    assert journal.calls() == []


async def test_leaving_waits_for_calls_that_nobody_awaits(journal: CommitJournal) -> None:
    gate = asyncio.Event()

    @guarded_tool
    async def slow() -> str:
        await gate.wait()
        return "done"

    world = make_world(journal)
    async with world.open():
        left = asyncio.ensure_future(world.handle(Toolset(slow)["slow"].bind()))
        await until(lambda: bool(journal.calls()))
        asyncio.get_running_loop().call_later(0.05, gate.set)
    assert journal.calls()[0].state is CallState.DONE
    assert (await left).value == "done"


async def test_an_error_after_real_calls_says_that_they_were_made(journal: CommitJournal, shop: Shop) -> None:
    world = make_world(journal)

    async def session() -> None:
        async with world.open():
            await world.handle(shop.call("buy", item="tea"))
            raise RuntimeError("the model is gone")

    with pytest.raises(RuntimeError) as raised:
        await session()
    assert raised.value.__notes__ == ["Real calls were made before; the journal has them under plan p."]
