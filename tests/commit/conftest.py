"""A journal on each store: what is tested with it is a law of all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from helpers.journals import STORES, Store
from helpers.unsettled import PAID, unsettled

from artis_sdk.commit.journal import CommitJournal


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return STORES[request.param](tmp_path)


@pytest.fixture
async def journal(store: Store) -> AsyncIterator[CommitJournal]:
    journal = store.open()
    yield journal
    await journal.aclose()


@pytest.fixture
async def unsettled_journal(store: Store) -> AsyncIterator[CommitJournal]:
    async with unsettled(store) as journal:
        yield journal


@pytest.fixture
def nothing_paid() -> None:
    PAID.clear()
