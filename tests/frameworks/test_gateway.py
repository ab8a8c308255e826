"""The gateway in this process, in front of a real server: nothing that changes something runs unapproved."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mcp.server.mcpserver", reason="`make frameworks` installs it and runs this")

from helpers.gateways import (
    CLOSED,
    DECLINED,
    NO,
    YES,
    Person,
    Spends,
    Stand,
    client_of,
    standing,
    text_of,
)
from helpers.mcp_over_http import till_over_http
from mcp.types import ElicitResult

from artis_sdk import Risk
from artis_sdk.commit.approver import Approve, Reject
from artis_sdk.gateway.holding import Held
from artis_sdk.logs import CallLog

pytestmark = pytest.mark.slow

MODES = ("auto", "legacy")


@pytest.fixture(scope="module")
async def stand(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stand]:
    """The vault, started once for this file, by a task that enters and leaves it."""
    ready, over = asyncio.get_running_loop().create_future(), asyncio.Event()

    async def keep() -> None:
        try:
            async with standing(tmp_path_factory.mktemp("vault")) as made:
                ready.set_result(made)
                await over.wait()
        except BaseException as error:
            if not ready.done():
                ready.set_exception(error)
            raise

    task = asyncio.create_task(keep())
    try:
        yield await ready
    finally:
        over.set()
        await task


def spend(amount: int, memo: str) -> dict[str, Any]:
    return {"amount": amount, "memo": memo}


def done(stand: Stand, memo: str) -> list[int]:
    """The amounts that the vault really spent under a memo, each with its intent in the journal before."""
    mine = [one for one in stand.real if one["arguments"].get("memo") == memo]
    assert all(one["intent"] for one in mine), "a call ran before the journal knew of it"
    return [one["arguments"]["amount"] for one in mine]


def decisions(stand: Stand, plan: str) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(stand.folder / "journal.db")) as journal:
        return journal.execute("SELECT verdict, by FROM decision WHERE plan = ?", [plan]).fetchall()


async def test_a_client_sees_the_servers_tools_and_three_more(stand: Stand) -> None:
    async with client_of(stand.gateway()) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert list(tools) == [
            *("spend", "look", "unmarked", "slow", "die", "vault_commit"),
            *("rehearse", "plan_show", "commit"),
        ]
        assert tools["spend"].description == "Spend money."
        assert tools["look"].output_schema is not None
        answer = await client.call_tool("vault_commit", {"text": "x"})
        assert text_of(answer) == "x", "the server's own tool, under another name"


@pytest.mark.parametrize("mode", MODES)
async def test_a_call_that_only_reads_is_made_at_once_and_logged(
    stand: Stand, tmp_path: Path, mode: str
) -> None:
    person = Person()
    log = CallLog(tmp_path / "log.db")
    async with client_of(stand.gateway(log=log), person, mode) as client:
        answer = await client.call_tool("look", {"owner": mode})
    assert (answer.structured_content, answer.is_error, person.asked) == ({"result": 100}, False, [])
    log.close()
    (record,) = CallLog(tmp_path / "log.db").records()
    assert (record.call.tool, record.outcome.value) == ("look", 100)


@pytest.mark.parametrize("mode", MODES)
async def test_a_held_call_is_made_once_it_is_approved(stand: Stand, mode: str) -> None:
    person, memo = Person(), f"approved {mode}"
    async with client_of(stand.gateway(simulator=Spends()), person, mode) as client:
        answer = await client.call_tool("spend", spend(5, memo))
    assert json.loads(text_of(answer)) == {"spent": 5}
    assert answer.structured_content == {"spent": 5}, "the server's own answer"
    assert done(stand, memo) == [5]
    (asked,) = person.asked
    assert f'spend(amount=5, memo="{memo}")' in asked
    assert 'predicted: {"spent":5}' in asked


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (NO, "too much"),
        (DECLINED, "no reason was given"),
        (CLOSED, "Held, and not made"),
        (ElicitResult(action="accept"), "no reason was given"),
        (ElicitResult(action="accept", content={"approve": "true"}), "no reason was given"),
    ],
)
async def test_anything_but_yes_makes_nothing(
    stand: Stand, mode: str, answer: ElicitResult, told: str
) -> None:
    gateway = stand.gateway()
    memo = f"{mode} {answer}"
    async with client_of(gateway, Person(answer), mode) as client:
        result = await client.call_tool("spend", spend(5, memo))
    assert result.is_error
    assert told in text_of(result)
    assert done(stand, memo) == []
    (held,) = gateway.holding.all
    rejected = answer is not CLOSED
    assert [verdict for verdict, _ in decisions(stand, held.plan.id)] == ["rejected"] * rejected


async def test_a_tool_of_which_nobody_says_anything_is_held(stand: Stand) -> None:
    async with client_of(stand.gateway()) as client:
        result = await client.call_tool("unmarked", {"text": "x"})
    assert result.is_error
    assert not any(one["tool"] == "unmarked" for one in stand.real)
    assert stand.upstream.tools["unmarked"].risk is Risk.IRREVERSIBLE


@pytest.mark.parametrize("mode", MODES)
async def test_a_plan_is_rehearsed_shown_and_committed_once(stand: Stand, mode: str) -> None:
    person, memo, simulator = Person(), f"plan {mode}", Spends()
    gateway = stand.gateway(simulator=simulator)
    calls = [{"tool": "spend", "arguments": spend(n, memo)} for n in (1, 2)]
    async with client_of(gateway, person, mode) as client:
        await client.call_tool("look", {"owner": "ann"})
        answer = await client.call_tool("rehearse", {"calls": calls, "why": "To pay Bob."})
        plan = answer.structured_content
        assert [call["predicted"]["value"] for call in plan["calls"]] == [{"spent": 1}, {"spent": 2}]
        assert [call["risk"] for call in plan["calls"]] == ["irreversible"] * 2
        assert [step.call.tool for step in simulator.histories[1]] == ["look", "spend"], (
            "it knows what was read"
        )
        assert done(stand, memo) == []
        assert person.asked == []
        id = {"plan_id": plan["plan_id"]}
        first = (await client.call_tool("commit", id)).structured_content
        again = (await client.call_tool("commit", id)).structured_content
        shown = (await client.call_tool("plan_show", id)).structured_content
        listed = (await client.call_tool("plan_show", {})).structured_content
    assert done(stand, memo) == [1, 2]
    assert len(person.asked) == 1
    assert (first["already_committed"], again["already_committed"]) == (False, True)
    assert first["calls"] == again["calls"] == shown["result"]["calls"]
    assert [call["as_predicted"] for call in first["calls"]] == [True, True]
    assert listed == {"plans": [{**id, "status": "committed", "for": "To pay Bob."}]}
    assert [verdict for verdict, _ in decisions(stand, plan["plan_id"])] == ["approved"]


async def test_a_commit_ends_where_an_outcome_is_another_one(stand: Stand) -> None:
    memo = "diverges"
    calls = [{"tool": "spend", "arguments": spend(n, memo)} for n in (1, 2)]
    async with client_of(stand.gateway(simulator=Spends(wrong=1)), Person()) as client:
        plan = (await client.call_tool("rehearse", {"calls": calls})).structured_content
        result = await client.call_tool("commit", {"plan_id": plan["plan_id"]})
    told = result.structured_content
    assert result.is_error
    assert (told["complete"], told["calls"][0]["as_predicted"]) == (False, False)
    assert told["not_made"] == [calls[1]]
    assert done(stand, memo) == [1]


@pytest.mark.parametrize(
    "request_",
    [
        {"calls": [{"tool": "nothing"}]},
        {"calls": [{"tool": "spend", "arguments": {"amount": "x"}}]},
        {"calls": [{"tool": "look", "arguments": {"owner": "a"}}], "task": "x"},
        {"calls": []},
        {"task": "Do it."},
        {"what": 1},
    ],
)
async def test_what_cannot_be_rehearsed_is_refused(stand: Stand, request_: dict[str, Any]) -> None:
    async with client_of(stand.gateway()) as client:
        assert (await client.call_tool("rehearse", request_)).is_error
        assert (await client.call_tool("plan_show", {})).structured_content == {"plans": []}


async def test_arguments_that_do_not_fit_reach_nobody(stand: Stand) -> None:
    person = Person()
    async with client_of(stand.gateway(), person) as client:
        assert (await client.call_tool("spend", {"amount": "many", "memo": "unfit"})).is_error
        assert (await client.call_tool("nothing", {})).is_error
    assert person.asked == []
    assert done(stand, "unfit") == []


async def test_an_answer_on_the_page_lets_the_waiting_call_go_on(stand: Stand) -> None:
    announced: list[Held] = []
    gateway = stand.gateway(wait=20, announce=announced.append)

    async def approve() -> None:
        while not announced:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert done(stand, "waits") == []
        assert announced[0].say(Approve(by="ann"))
        assert not announced[0].say(Reject(reason="too late", by="ann"))

    async with client_of(gateway) as client, asyncio.TaskGroup() as group:
        group.create_task(approve())
        answer = await client.call_tool("spend", spend(5, "waits"))
    assert answer.structured_content == {"spent": 5}
    assert done(stand, "waits") == [5]
    assert decisions(stand, announced[0].plan.id) == [("approved", "ann")]


async def test_the_same_call_again_is_the_same_plan_until_it_was_made(stand: Stand) -> None:
    gateway = stand.gateway()
    async with client_of(gateway) as client:
        for _ in range(2):
            assert "Held, and not made" in text_of(await client.call_tool("spend", spend(5, "again")))
        (held,) = gateway.holding.all
        held.say(Approve(by="ann"))
        assert not (await client.call_tool("spend", spend(5, "again"))).is_error
        assert (await client.call_tool("spend", spend(5, "again"))).is_error, "another one, and held again"
        other = await client.call_tool("spend", spend(6, "again"))
        assert other.is_error, "other arguments are another call"
    assert done(stand, "again") == [5]
    assert len(gateway.holding.all) == 3


async def test_a_waiting_call_is_not_made_for_two(stand: Stand) -> None:
    announced: list[Held] = []
    gateway = stand.gateway(wait=20, announce=announced.append)
    async with client_of(gateway) as client, asyncio.TaskGroup() as group:
        first = group.create_task(client.call_tool("spend", spend(5, "two")))
        while not announced:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        second = await client.call_tool("spend", spend(5, "two"))
        assert "waits for an answer already" in text_of(second)
        announced[0].say(Approve(by="ann"))
        assert not (await first).is_error
    assert done(stand, "two") == [5]


async def test_an_answer_to_one_call_is_not_taken_for_another(stand: Stand) -> None:
    """A client of the new protocol says which question it answers; what it says is not believed."""
    gateway = stand.gateway()
    async with client_of(gateway, Person()) as client:
        first = await client.session.call_tool("spend", spend(1, "other"), allow_input_required=True)
        assert first.result_type == "input_required"
        second = await client.session.call_tool(
            "spend",
            spend(1_000, "other"),
            input_responses={"approval": YES},
            request_state=first.request_state,
            allow_input_required=True,
        )
        assert second.result_type == "input_required", "this is asked about by itself"
        unasked = await client.session.call_tool(
            "spend", spend(7, "other"), input_responses={"approval": YES}, allow_input_required=True
        )
        assert unasked.result_type == "input_required"
    assert done(stand, "other") == []


async def test_with_answers_on_the_page_only_the_client_is_not_asked(stand: Stand) -> None:
    person = Person()
    async with client_of(stand.gateway(elicits=False), person) as client:
        assert "Held, and not made" in text_of(await client.call_tool("spend", spend(5, "page")))
    assert person.asked == []
    assert done(stand, "page") == []


async def test_a_client_that_leaves_does_not_stop_a_commit(stand: Stand) -> None:
    gateway = stand.gateway()
    async with client_of(gateway) as client:
        await client.call_tool("spend", spend(5, "leaves"))
        (held,) = gateway.holding.all
        held.say(Approve(by="ann"))
        call = asyncio.create_task(client.call_tool("commit", {"plan_id": held.plan.id}))
        while held.commit is None:  # noqa: ASYNC110
            await asyncio.sleep(0)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        told = await client.call_tool("commit", {"plan_id": held.plan.id})
    assert told.structured_content["already_committed"] is True
    assert done(stand, "leaves") == [5]


@pytest.mark.parametrize("seed", range(12))
async def test_no_order_of_requests_makes_what_was_not_approved(stand: Stand, seed: int) -> None:
    """Requests of two clients and answers of a person, in any order: what was made is what was approved, each
    approved plan at most once."""
    drawn, memo = random.Random(seed), f"drawn {seed}"
    gateway = stand.gateway(simulator=Spends(wrong=seed % 2))
    approved: Counter[int] = Counter()

    async def request(client: Any) -> None:
        kind = drawn.choice(
            ["direct", "direct", "rehearse", "commit", "commit", "answer", "answer", "answer"]
        )
        amounts = [drawn.randrange(3) for _ in range(drawn.randrange(1, 3))]
        calls = [{"tool": "spend", "arguments": spend(amount, memo)} for amount in amounts]
        held = drawn.choice(gateway.holding.all) if gateway.holding.all else None
        if kind == "direct":
            await client.call_tool("spend", spend(amounts[0], memo))
        elif kind == "rehearse":
            await client.call_tool("rehearse", {"calls": calls})
        elif held is not None and kind == "commit":
            await client.call_tool("commit", {"plan_id": held.plan.id})
        elif held is not None and drawn.random() < 0.5:
            if held.say(Approve(by="ann")):
                approved.update(one.call.arguments["amount"] for one in held.plan.foreseen)
        elif held is not None:
            held.say(Reject(reason="no", by="ann"))

    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(client_of(gateway, mode=mode)) for mode in MODES]
        for _ in range(6):
            await asyncio.gather(*(request(drawn.choice(clients)) for _ in range(4)))
    made = Counter(done(stand, memo))
    assert made <= approved, (made, approved)


async def test_servers_that_die_leave_their_calls_unknown_and_end_nothing_else(tmp_path: Path) -> None:
    ledger, person = tmp_path / "ledger", Person()
    async with (
        till_over_http(ledger) as (url, ended),
        standing(tmp_path, beside=url) as stand,
        client_of(stand.gateway(), person) as client,
    ):
        assert text_of(await client.call_tool("balance", {"owner": "bob"})) == "100"
        first = await client.call_tool("till_die", {})
        await ended()
        after = await client.call_tool("pay", {"target": "bob", "amount": 5})
        second = await client.call_tool("vault_die", {"text": "x"})
        again = await client.call_tool("vault_die", {"text": "x"})
        other = await client.call_tool("spend", spend(5, "after"))
    for told in (first, second):
        assert "UNKNOWN outcome" in text_of(told)
    assert "the call was not sent" in text_of(after), "nobody starts this one again"
    assert "it is not known whether that one took effect" in text_of(again)
    assert not other.is_error, "this one is started again"
    assert len(person.asked) == 4, "nobody is asked about the twin of an unknown call"
    assert [json.loads(line)[0] for line in ledger.read_text().splitlines()] == ["balance", "die"]
    assert [one["tool"] for one in stand.real] == ["die", "spend"]
