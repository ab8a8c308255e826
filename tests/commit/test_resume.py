"""An interrupted commit is resumed: no call is made twice, and every outcome is the one that was seen."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from helpers.commit import MEMORY, REDACT, intent, make_world
from helpers.journals import STORES, Store, examples
from helpers.loop import call
from hypothesis import given, settings
from hypothesis import strategies as st

from artis_sdk.backends.scripted import ScriptedBackend
from artis_sdk.commit.journal import CallState, CommitJournal
from artis_sdk.commit.plan import commit
from artis_sdk.commit.recover import NotExecuted, recover, settle
from artis_sdk.errors import AgentError, CommitRefused, UnknownOutcome
from artis_sdk.loop.budget import Budget
from artis_sdk.loop.callable_actor import CallableActor
from artis_sdk.loop.limits import Limits
from artis_sdk.loop.model_actor import ModelActor
from artis_sdk.records import Plan, Result, Risk, Task
from artis_sdk.tools import Toolset, guarded_tool

PLAN = Plan(id="p", task=Task(query="pay"), strategy="direct")


class Declined(Exception):
    """The bank says no."""


class Bank:
    """Real tools; each execution is counted, and each has a number of its own for an outcome."""

    def __init__(self) -> None:
        self.made: list[tuple[str, str]] = []
        self.keys: list[str] = []

        @guarded_tool(failures=Declined, idempotency_key="key")
        async def pay(to: str, key: str = "") -> int:
            """Pay."""
            self.keys.append(key)
            return self.run("pay", to)

        @guarded_tool(risk=Risk.REVERSIBLE)
        def hold(to: str) -> int:
            """Hold."""
            return self.run("hold", to)

        @guarded_tool(risk=Risk.READ_ONLY)
        async def look(to: str) -> int:
            """Look."""
            return self.run("look", to)

        @guarded_tool
        async def login(to: str, password: str) -> int:
            """Log in."""
            return self.run("login", to)

        @guarded_tool(risk=Risk.READ_ONLY)
        async def token(to: str) -> dict[str, str]:
            """Give a token."""
            return {"access_token": f"hunter{self.run('token', to):05}"}

        @guarded_tool(reconcile=lambda call, key: NotExecuted())
        async def bundle(to: str, fails: bool = False) -> int:
            """Pay within."""
            paid = await pay(to)
            if self.break_in_bundle:
                await asyncio.sleep(30)
            return paid + self.run("bundle", to)

        self.break_in_bundle = False
        self.tools = Toolset(pay, hold, look, login, token, bundle)
        self.pay, self.hold, self.look = pay, hold, look
        self.login, self.token, self.bundle = login, token, bundle

    def run(self, tool: str, to: str) -> int:
        self.made.append((tool, to))
        if to == "nobody":
            raise Declined("no such account")
        return len(self.made)

    def times(self) -> Counter[tuple[str, str]]:
        """How often each changing call was executed."""
        return Counter(made for made in self.made if made[0] not in ("look", "token"))


class Scripted:
    """An own agent that makes the given calls and remembers what it got; stops before call number `stop`."""

    def __init__(self, bank: Bank, calls: Sequence[tuple[str, str]], stop: int | None = None) -> None:
        self.bank, self.calls, self.stop = bank, calls, stop
        self.got: list[Any] = []

    async def __call__(self, task: str, *, tools: Any, guidance: str | None) -> str:
        for n, (tool, to) in enumerate(self.calls):
            if n == self.stop:
                raise ConnectionError("the model's provider is down")
            try:
                made = getattr(self.bank, tool)(to)
                self.got.append(made if isinstance(made, int) else await made)
            except Declined as error:
                self.got.append(str(error))
        return "done"


async def act(
    journal: CommitJournal, bank: Bank, agent: Any, *, resume: bool = False, budget: Budget | None = None
) -> Result:
    world = make_world(journal, resume=resume)
    return await commit(PLAN, CallableActor(agent, bank.tools), world, budget or Budget())


CALLS = st.lists(
    st.tuples(st.sampled_from(["pay", "hold", "look"]), st.sampled_from(["ann", "bob", "nobody"])), max_size=8
)


@pytest.mark.parametrize("store", STORES)
def test_an_own_agent_is_answered_what_it_saw_and_nothing_is_made_twice(store: str) -> None:
    @given(calls=CALLS, data=st.data())
    def check(calls: list[tuple[str, str]], data: st.DataObject) -> None:
        stops = data.draw(st.lists(st.integers(0, len(calls) - 1), max_size=3).map(sorted)) if calls else []
        with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
            asyncio.run(stopped_again_and_again(STORES[store](Path(folder)), calls, stops))

    settings(max_examples=examples(store, of=100))(check)()


async def stopped_again_and_again(where: Store, calls: list[tuple[str, str]], stops: list[int]) -> None:
    bank = Bank()
    seen: list[Any] = []
    for n, stop in enumerate([*stops, None]):
        agent = Scripted(bank, calls, stop)
        async with aclosing(where.open()) as journal:
            try:
                result = await act(journal, bank, agent, resume=n > 0)
            except AgentError:
                assert stop is not None
        assert agent.got[: len(seen)] == seen, "another outcome than the one that was seen"
        seen = agent.got
    assert bank.times() == Counter(made for made in calls if made[0] != "look")
    assert [(made.call.tool, made.call.arguments["to"]) for made in result.calls] == calls


async def test_the_keys_of_a_commit_that_goes_on_are_those_that_it_would_have_had(
    journal: CommitJournal,
) -> None:
    calls = [("pay", "ann"), ("pay", "nobody"), ("pay", "nobody"), ("pay", "ann"), ("pay", "nobody")]
    whole, parts = Bank(), Bank()
    with pytest.raises(AgentError):
        await act(journal, parts, Scripted(parts, calls, 2))
    await act(journal, parts, Scripted(parts, calls), resume=True)
    actor = CallableActor(Scripted(whole, calls), whole.tools)
    await commit(PLAN, actor, make_world(journal, "q"), Budget())
    assert [whole.keys.index(key) for key in whole.keys] == [parts.keys.index(key) for key in parts.keys]
    assert len(set(parts.keys)) == 3  # ann, ann again, and nobody on every retry


async def test_calls_in_another_order_are_still_not_repeated(journal: CommitJournal) -> None:
    bank = Bank()
    with pytest.raises(AgentError):
        await act(journal, bank, Scripted(bank, [("pay", "ann"), ("hold", "bob"), ("look", "ann")] * 2, 4))
    agent = Scripted(bank, [("hold", "bob"), ("pay", "eve"), ("pay", "ann"), ("look", "ann"), ("pay", "ann")])
    result = await act(journal, bank, agent, resume=True)
    assert bank.times() == {("pay", "ann"): 2, ("hold", "bob"): 1, ("pay", "eve"): 1}
    assert agent.got[:3] == [2, 5, 1]
    assert agent.got[3] == 6  # read again: a call that is new may have changed it
    assert [made.call.tool for made in result.calls] == ["pay", "hold", "pay", "pay", "look"]
    assert result.notes == ()


async def test_what_the_agent_does_not_ask_for_again_is_told(journal: CommitJournal) -> None:
    bank = Bank()
    with pytest.raises(AgentError):
        await act(journal, bank, Scripted(bank, [("pay", "ann"), ("hold", "bob"), ("pay", "eve")], 2))
    result = await act(journal, bank, Scripted(bank, [("pay", "eve")]), resume=True)
    (note,) = result.notes
    assert "pay (p:0)" in note
    assert "hold (p:1)" in note
    assert bank.times()["pay", "ann"] == 1


async def test_a_limit_does_not_stop_a_commit_that_has_changed_something(journal: CommitJournal) -> None:
    bank = Bank()
    with pytest.raises(AgentError):
        await act(journal, bank, Scripted(bank, [("pay", "ann"), ("pay", "bob")], 1))
    budget = Budget(Limits(steps=1))
    agent = Scripted(bank, [("pay", "ann"), ("pay", "bob"), ("pay", "eve")])
    result = await act(journal, bank, agent, resume=True, budget=budget)
    assert len(result.calls) == 3
    assert any("step" in note for note in result.notes)


async def test_a_model_is_shown_its_calls_as_done(journal: CommitJournal) -> None:
    bank = Bank()
    plan = Plan(id="p", task=Task(query="pay", tools=bank.tools.specs), strategy="direct")
    asked: list[Any] = []

    class Watching(ScriptedBackend):
        async def complete(self, request: Any, *, on_token: Any = None) -> Any:
            asked.append(request)
            return await super().complete(request, on_token=on_token)

    for form in ("native", "text"):
        bank.made.clear()
        plan = plan.model_copy(update={"id": form})
        failing = Watching([[call("pay", to="ann"), call("look", to="ann")], ConnectionError("down")])
        actor = ModelActor(failing, bank.tools, tool_format="native")
        with pytest.raises(ConnectionError):
            await commit(plan, actor, make_world(journal, form), Budget())
        asked.clear()
        script = Watching(["Paid."]) if form == "text" else Watching([[call("hold", to="bob")], "Paid."])
        actor = ModelActor(script, bank.tools, tool_format=form)
        result = await commit(plan, actor, make_world(journal, form, resume=True), Budget())
        shown = asked[0].messages[-3:] if form == "native" else asked[0].messages[-2:]
        if form == "native":
            assert [(c.tool, c.arguments) for c in shown[0].tool_calls] == [
                ("pay", {"to": "ann"}), ("look", {"to": "ann"}),
            ]  # fmt: skip
            assert [message.content for message in shown[1:]] == ["1", "2"]
        else:
            assert shown[0].content == '[pay(to="ann"), look(to="ann")]'
            assert "ann" in shown[1].content
        assert bank.times()["pay", "ann"] == 1
        assert [made.call.tool for made in result.calls][:2] == ["pay", "look"]
        assert result.messages[0].role == "assistant"


async def test_nothing_goes_on_over_an_unknown_call_until_it_is_settled(journal: CommitJournal) -> None:
    bank = Bank()
    slow = asyncio.Event()

    @guarded_tool(timeout=0.05)
    async def hang(to: str) -> int:
        """Hang."""
        await slow.wait()
        return 1

    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        await bank.pay("ann")
        got.append(await hang("bob"))
        return "done"

    got: list[int] = []
    tools = bank.tools + Toolset(hang)
    with pytest.raises(UnknownOutcome):
        await commit(PLAN, CallableActor(agent, tools), make_world(journal), Budget())
    for resume in (True, False):
        with pytest.raises(CommitRefused, match=r"outcome of hang \(p:1\) is not known: run `artis recover`"):
            await commit(PLAN, CallableActor(agent, tools), make_world(journal, resume=resume), Budget())
    await settle(journal, "p:1", done=True, by="ann", why="the statement", value=7, redact=REDACT)
    result = await commit(PLAN, CallableActor(agent, tools), make_world(journal, resume=True), Budget())
    assert got == [7]
    assert bank.times() == {("pay", "ann"): 1}
    assert [made.outcome.value for made in result.calls] == [1, 7]


async def test_a_call_settled_without_its_value_is_not_answered(journal: CommitJournal) -> None:
    await journal.begin_plan("p")
    await journal.begin(intent())
    journal.close_unobserved(intent(), CallState.UNKNOWN)
    await journal.end_plan("p", "stopped")
    await settle(journal, "p:0", done=True, by="ann", why="seen", redact=REDACT)
    bank = Bank()
    with pytest.raises(CommitRefused, match=r"ann settled pay \(p:0\) as done without its return value"):
        await act(journal, bank, Scripted(bank, [("pay", "ann")]), resume=True)
    assert bank.made == []


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [("login", {"to": "ann", "password": "hunter2222"}), ("note", {"text": "password=hunter2222"})],
)
async def test_a_call_that_the_journal_has_without_its_secrets_is_not_answered(
    journal: CommitJournal, tool: str, arguments: dict[str, str]
) -> None:
    made: list[str] = []

    @guarded_tool(name=tool)
    async def change(**given: str) -> dict[str, str]:
        made.append(tool)
        return given

    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        await change(**arguments)
        if not made[1:]:
            raise ConnectionError("down")
        return "done"

    actor = CallableActor(agent, Toolset(change))
    with pytest.raises(AgentError):
        await commit(PLAN, actor, make_world(journal), Budget())
    with pytest.raises(CommitRefused, match=rf"{tool} \(p:0\) without its secrets"):
        await commit(PLAN, actor, make_world(journal, resume=True), Budget())
    assert made == [tool]


async def test_a_secret_that_was_only_read_is_read_again(journal: CommitJournal) -> None:
    bank = Bank()
    script = [("token", "ann"), ("pay", "ann"), ("pay", "bob")]
    with pytest.raises(AgentError):
        await act(journal, bank, Scripted(bank, script, 2))
    agent = Scripted(bank, script)
    await act(journal, bank, agent, resume=True)
    assert agent.got[0] == {"access_token": "hunter00003"}
    assert bank.times() == {("pay", "ann"): 1, ("pay", "bob"): 1}


async def test_calls_within_a_call_that_is_made_again_are_not_repeated(journal: CommitJournal) -> None:
    bank = Bank()
    bank.break_in_bundle = True

    @guarded_tool(reconcile=lambda call, key: NotExecuted(), timeout=1)
    async def bundle(to: str) -> int:
        """Pay within."""
        paid = await bank.pay(to)
        if bank.break_in_bundle:
            await asyncio.sleep(30)
        return paid + bank.run("bundle", to)

    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        got.append(await bundle("ann"))
        got.append(await bank.pay("ann"))
        got.append(await bundle("ann"))
        return "done"

    got: list[int] = []
    tools = Toolset(bank.pay, bundle)
    with pytest.raises(UnknownOutcome):
        await commit(PLAN, CallableActor(agent, tools), make_world(journal), Budget())
    await recover(journal, tools, redact=REDACT)
    assert [made.state for made in journal.calls()] == [CallState.NOT_EXECUTED, CallState.DONE]
    bank.break_in_bundle = False
    await commit(PLAN, CallableActor(agent, tools), make_world(journal, resume=True), Budget())
    # the first bundle's payment is the one that was made; the agent's own and the second bundle's are new
    assert bank.times() == {("pay", "ann"): 3, ("bundle", "ann"): 2}
    assert got[0] == 1 + 2


async def test_a_call_within_one_that_is_done_answers_no_other(journal: CommitJournal) -> None:
    bank = Bank()
    with pytest.raises(AgentError):
        await act(journal, bank, Scripted(bank, [("bundle", "ann"), ("pay", "ann")], 1))
    agent = Scripted(bank, [("bundle", "ann"), ("pay", "ann")])
    await act(journal, bank, agent, resume=True)
    assert bank.times() == {("pay", "ann"): 2, ("bundle", "ann"): 1}


async def test_a_commit_that_ended_or_never_began_is_none_that_goes_on(journal: CommitJournal) -> None:
    bank = Bank()
    agent = Scripted(bank, [("pay", "ann")])
    await act(journal, bank, agent, resume=True)
    with pytest.raises(CommitRefused, match="1 real call"):
        await act(journal, bank, agent, resume=True)
    assert bank.times() == {("pay", "ann"): 1}
