"""A session on whatever journal it is given, and the names under which the journal was known before."""

from __future__ import annotations

import asyncio
import importlib
from pathlib import Path
from typing import Any

import pytest
from helpers.journals import Store
from helpers.loop import call

from artis_sdk import Direct, Session, Toolset, guarded_tool
from artis_sdk.backends import ScriptedBackend
from artis_sdk.commit.journal import CallState, CommitJournal, SQLiteJournal
from artis_sdk.commit.recover import NotExecuted
from artis_sdk.errors import CommitRefused, ConfigurationError, UnknownOutcome


def session(journal: Any, tools: Toolset, *script: Any) -> Session:
    return Session(agent=ScriptedBackend(script), tools=tools, strategy=Direct(), journal=journal)


async def test_a_session_commits_and_recovers_on_any_journal(store: Store, journal: CommitJournal) -> None:
    @guarded_tool
    def pay(amount: int) -> int:
        """Pay."""
        return amount

    @guarded_tool(timeout=0.05, reconcile=lambda call, key: NotExecuted())
    async def lose(amount: int) -> None:
        """End without an outcome."""
        await asyncio.sleep(30)

    tools = Toolset(pay, lose)
    script = ([call("pay", amount=3)], "Paid.", [call("lose", amount=1)])
    async with session(journal, tools, *script) as given:
        assert given._parts is not None
        # A journal of the application's own may run anything: the firewall is then at its strictest.
        ours = type(journal).__module__.startswith("artis_sdk.")
        assert given._parts.application_code is not ours
        plan = await given.rehearse("Pay 3.")
        result = await given.commit(plan)
        assert [made.journal_id for made in result.calls] == [made.id for made in journal.calls()]
        with pytest.raises(CommitRefused, match="1 real call"):
            await given.commit(plan)
        with pytest.raises(UnknownOutcome):
            await given.run("Lose 1.")
        (settled,) = await given.recover()
    assert (settled.tool, settled.state) == ("lose", CallState.NOT_EXECUTED)
    other = store.open()
    await other.begin_plan("mine still works")
    await other.aclose()
    await journal.begin_plan("the session did not close it")


@pytest.mark.parametrize("journal", [42, object(), {"path": "journal.db"}])
async def test_what_is_no_journal_is_refused_before_anything_runs(journal: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"not {type(journal).__name__}; .*CommitJournal"):
        async with session(journal, Toolset(guarded_tool(len))):
            pass


@pytest.mark.parametrize("module", ["artis_sdk.commit.journal", "artis_sdk.commit.journal.sqlite"])
async def test_the_former_name_is_still_there_and_says_the_new_one(module: str, tmp_path: Path) -> None:
    before = importlib.import_module(module)
    with pytest.warns(DeprecationWarning, match=r"Journal is now .*SQLiteJournal"):
        former = before.Journal
    assert former is SQLiteJournal
    with pytest.raises(AttributeError, match="Diary"):
        before.Diary  # noqa: B018
