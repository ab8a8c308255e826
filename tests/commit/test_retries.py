"""When a call has the key of one before: a retry of what failed, and nothing else."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from helpers.commit import make_world
from helpers.loop import call
from hypothesis import given
from hypothesis import strategies as st

from artis_sdk.commit.call_identity import IdempotencyKeys
from artis_sdk.commit.journal import CommitJournal
from artis_sdk.errors import ToolDefinitionError
from artis_sdk.records import Risk
from artis_sdk.tools import Toolset, guarded_tool


class Declined(Exception):
    """The provider refused before it did anything."""


class Provider:
    """Charges once a key, as payment providers do, and then perhaps loses the answer."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.keys: list[str] = []
        self.charged: set[str] = set()

    def charge(self, key: str) -> Any:
        self.keys.append(key)
        answer = self.answers.pop(0)
        if not isinstance(answer, Declined):
            self.charged.add(key)
        if isinstance(answer, BaseException):
            raise answer
        return answer


def tool(provider: Provider, **options: Any) -> Any:
    @guarded_tool(idempotency_key="key", **options)
    async def charge(amount: int, key: str = "") -> Any:
        """Charge."""
        return provider.charge(key)

    (made,) = Toolset(charge)
    return made


async def run(journal: CommitJournal, made: Any, *amounts: int) -> None:
    """Make the calls one after the other; no failure stops it."""
    world = make_world(journal)
    async with world.open():
        for amount in amounts:
            await asyncio.gather(
                world.handle(made.parse(call(made.name, amount=amount))), return_exceptions=True
            )


LOST = ConnectionError("the connection was lost")
REFUSED = {"success": False, "reason": "later"}


def returned_failure(result: Any) -> str | None:
    return "refused" if isinstance(result, dict) and not result.get("success", True) else None


@pytest.mark.parametrize("failure", [LOST, TimeoutError("read timed out"), KeyError("Ann"), Declined("no")])
async def test_a_call_that_raised_keeps_its_key(journal: CommitJournal, failure: Exception) -> None:
    """The effect is recorded and then the connection breaks: the retry is one that the provider can see."""
    provider = Provider(failure, "paid", "paid again")
    await run(journal, tool(provider), 5, 5, 5)
    first, retry, again = provider.keys
    assert first == retry != again
    assert [made.idempotency_key for made in journal.calls()] == provider.keys
    assert len(provider.charged) == 2


@pytest.mark.parametrize(
    "when",
    [
        Declined,
        (Declined, KeyError),
        lambda failed: isinstance(failed, Declined),
        [ZeroDivisionError, lambda failed: "no" in str(failed)],
    ],
)
async def test_a_failure_that_certainly_did_nothing_gives_the_next_call_a_new_key(
    journal: CommitJournal, when: Any
) -> None:
    provider = Provider(Declined("no"), LOST, "paid")
    await run(journal, tool(provider, failures=Declined, not_executed=when), 5, 5, 5)
    first, second, third = provider.keys
    assert first != second == third
    assert len(provider.charged) == 1


async def test_a_returned_failure_keeps_the_key_unless_it_is_declared(journal: CommitJournal) -> None:
    provider = Provider(REFUSED, REFUSED, {"success": True})
    await run(journal, tool(provider, failures=returned_failure), 5, 5, 5)
    assert len(set(provider.keys)) == 1


async def test_a_returned_failure_that_did_nothing(journal: CommitJournal) -> None:
    provider = Provider(REFUSED, {"success": True})
    certain = tool(provider, failures=returned_failure, not_executed=lambda failed: failed == REFUSED)
    await run(journal, certain, 5, 5)
    assert len(set(provider.keys)) == 2


async def test_other_arguments_are_another_call(journal: CommitJournal) -> None:
    provider = Provider(LOST, LOST, "paid", "paid")
    await run(journal, tool(provider), 5, 6, 6, 5)
    a, b, c, d = provider.keys
    assert a == d != b == c


async def test_another_secret_is_another_call(journal: CommitJournal) -> None:
    provider = Provider(LOST, LOST, "paid", "paid")

    @guarded_tool(idempotency_key="key")
    async def charge(password: str, key: str = "") -> Any:
        """Charge."""
        return provider.charge(key)

    (made,) = Toolset(charge)
    world = make_world(journal)
    async with world.open():
        for password in ("hunter2222", "hunter3333", "hunter3333", "hunter2222"):
            await world.handle(made.parse(call("charge", password=password)))
    a, b, c, d = provider.keys
    assert a == d != b == c


async def test_calls_at_one_time_are_no_retries_of_each_other(journal: CommitJournal) -> None:
    provider, gate = Provider(LOST, LOST, "paid", "paid", "paid"), asyncio.Event()

    @guarded_tool(idempotency_key="key", risk=Risk.REVERSIBLE)
    async def charge(amount: int, key: str = "") -> Any:
        """Charge."""
        await gate.wait()
        return provider.charge(key)

    (made,) = Toolset(charge)
    world = make_world(journal)
    async with world.open():
        both = [asyncio.create_task(world.handle(made.parse(call("charge", amount=5)))) for _ in range(2)]
        await asyncio.sleep(0.01)
        gate.set()
        await asyncio.gather(*both)
        await asyncio.gather(*(world.handle(made.parse(call("charge", amount=5))) for _ in range(3)))
    assert len(set(provider.keys[:2])) == 2
    assert set(provider.keys[:2]) < set(provider.keys[2:])
    assert len(set(provider.keys)) == 3


async def test_a_classifier_that_raises_ends_the_commit_and_loses_no_outcome(journal: CommitJournal) -> None:
    def broken(failed: Any) -> bool:
        return bool(failed.code)

    made, world = tool(Provider(LOST), not_executed=broken), make_world(journal)
    with pytest.raises(ToolDefinitionError, match="not_executed"):
        async with world.open():
            await world.handle(made.parse(call("charge", amount=5)))
    (journaled,) = journal.calls()
    assert journaled.outcome is not None
    assert journaled.outcome.failure_type == "ConnectionError"


@pytest.mark.parametrize("wrong", [int, "Declined", 42, [Declined, None], BaseException])
def test_what_is_no_rule_is_refused_at_decoration(wrong: Any) -> None:
    with pytest.raises(ToolDefinitionError, match="not_executed="):
        tool(Provider(), not_executed=wrong)


@given(
    events=st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["ok", "lost", "certain"])), max_size=20)
)
def test_a_key_that_succeeded_or_did_nothing_is_never_given_again(events: list[tuple[str, str]]) -> None:
    """One after the other: as many keys as calls that were no retries, each retried until it is settled."""
    keys = IdempotencyKeys("p")
    settled: set[str] = set()
    waiting: dict[str, str] = {}
    given_: Counter[str] = Counter()
    for name, outcome in events:
        arguments: dict[str, Any] = {"to": name}
        key = keys.next(call("pay", **arguments), arguments)
        assert key not in settled
        assert key == waiting.get(name, key), "a retry with another key"
        assert name in waiting or not given_[key], "a new call with an old key"
        given_[key] += 1
        keys.ended(key, settled=outcome != "lost")
        if outcome == "lost":
            waiting[name] = key
        else:
            waiting.pop(name, None)
            settled.add(key)


@given(count=st.integers(1, 5))
def test_the_nth_key_is_the_same_in_every_process(count: int) -> None:
    def some() -> list[str]:
        keys = IdempotencyKeys("p")
        return [keys.next(call("pay", to="ann"), {"to": "ann"}) for _ in range(count)]

    assert some() == some()
    assert len(set(some())) == count
