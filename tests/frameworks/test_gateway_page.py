"""The page on which plans are approved: for whoever has its address, on this machine, and for nobody else."""

from __future__ import annotations

import asyncio
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mcp.server.mcpserver", reason="`make frameworks` installs it and runs this")

from helpers.gateways import Spends

from artis_sdk import Toolset, guarded_tool
from artis_sdk.commit.approver import Approve, Reject
from artis_sdk.commit.journal import SQLiteJournal
from artis_sdk.gateway.holding import Held, Holding
from artis_sdk.gateway.http import listening, served
from artis_sdk.gateway.page import ApprovalPage
from artis_sdk.gateway.plans import Planner
from artis_sdk.logs import Redactor
from artis_sdk.records import ToolCall

HOSTILE = '</code><script>alert(1)</script>\x1b[31m\u202e"><img src=x onerror=alert(1)>'


@guarded_tool
async def spend(amount: int, memo: str, password: str) -> dict[str, Any]:
    """Spend money."""
    raise AssertionError


class Page:
    def __init__(self, held: Held, holding: Holding, page: ApprovalPage) -> None:
        self.held, self.holding, self.page = held, holding, page
        self.url = page.url(held)

    async def get(self, url: str, **headers: str) -> tuple[int, str, Any]:
        return await asyncio.to_thread(fetch, url, None, headers)

    async def post(self, url: str | None = None, headers: dict[str, str] | None = None, **form: str) -> int:
        form = {"digest": self.held.shown.digest or "", "answer": "approve", **form}
        status, _, _ = await asyncio.to_thread(fetch, url or self.url, form, headers or {})
        return status


def fetch(url: str, form: dict[str, str] | None, headers: dict[str, str]) -> tuple[int, str, Any]:
    body = None if form is None else urllib.parse.urlencode(form).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as answer:
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), error.headers


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator[Page]:
    journal = SQLiteJournal(tmp_path / "journal.db")
    planner = Planner(
        tools=Toolset(spend), journal=journal, log=None, redactor=Redactor(), simulator=Spends()
    )
    arguments = {"amount": 5, "memo": HOSTILE, "password": "hunter2-hunter2"}
    plan, shown = await planner.rehearsed([ToolCall(tool="spend", arguments=arguments)], HOSTILE)
    holding = Holding(lambda held: None)
    held = holding.put(Held(plan, shown, is_asked=True))
    on = listening("127.0.0.1", 0)
    made = ApprovalPage(on.getsockname()[1])
    serving, over = asyncio.Event(), asyncio.Event()

    async def serve() -> None:  # a task group is left by the task that entered it
        async with served(made.app(holding), on):
            serving.set()
            await over.wait()

    task = asyncio.create_task(serve())
    await serving.wait()
    yield Page(held, holding, made)
    over.set()
    await task
    await journal.aclose()


async def test_a_plan_is_shown_as_data_and_approved(page: Page) -> None:
    status, text, headers = await page.get(page.url)
    assert status == 200
    assert "<script" not in text
    assert "<img" not in text
    assert "\x1b" not in text
    assert "hunter2" not in text
    assert "{&#34;spent&#34;: 5}" in text
    assert "script-src" not in headers["Content-Security-Policy"]
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
    form = re.search(r'<form method="post" action="([^"]+)"', text)
    assert form is not None
    action = urllib.parse.urljoin(page.url, form[1])
    assert page.held.answer is None
    assert await page.post(action) == 200
    assert isinstance(page.held.answer, Approve)
    assert await page.post(action, answer="reject") == 409, "it was answered"
    assert isinstance(page.held.answer, Approve)
    assert "<form" not in (await page.get(page.url))[1]


async def test_a_plan_is_rejected_with_a_reason(page: Page) -> None:
    assert await page.post(answer="reject", reason="too much") == 200
    assert isinstance(page.held.answer, Reject)
    assert page.held.answer.reason == "too much"


async def test_the_list_has_what_a_person_was_asked_about(page: Page) -> None:
    unasked = page.holding.put(Held(page.held.plan.model_copy(update={"id": "unasked"}), page.held.shown))
    _, text, _ = await page.get(page.page.url())
    assert page.held.plan.id in text
    assert "unasked" not in text
    assert (await page.get(page.page.url(unasked)))[0] == 404


async def test_nobody_else_answers(page: Page) -> None:
    bare = page.url.partition("?")[0]
    host = urllib.parse.urlsplit(page.url).netloc
    for url in (bare, f"{bare}?token=", f"{bare}?token=x", f"{bare}?token=%ff"):
        assert (await page.get(url))[0] == 403
        assert await page.post(url) == 403
    for headers in (
        {"Host": "evil.example"},
        {"Host": f"evil.example:{host.partition(':')[2]}"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": f"https://{host}"},
    ):
        assert await page.post(headers=headers) in (403, 421)
    assert await page.post(digest="") == 400
    assert await page.post(digest="0" * 64) == 400
    assert await page.post(answer="perhaps") == 400
    assert page.held.answer is None
    assert await page.post(headers={"Origin": f"http://{host}"}) == 200
    assert page.held.answer is not None
