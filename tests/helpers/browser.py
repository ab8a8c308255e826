"""Debian's chromium over its DevTools protocol: what a page looks like, and whether it complains."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from helpers.commit import until

FOUND = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WHY_NOT = "needs a browser: apt-get install chromium"
_FLAGS = (
    *("--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-extensions", "--remote-debugging-port=0"),
)


OPEN_ALL = "document.querySelectorAll('details').forEach(one => one.open = true)"
CLIPPED = """[...document.querySelectorAll('body *')].filter(one => {
    if (!one.checkVisibility()) return false;  // folded: looking at its box would lay it out
    const box = one.getBoundingClientRect();
    return box.width && (box.right > document.documentElement.clientWidth + 1 || box.left < -1);
}).map(one => one.outerHTML.slice(0, 120))"""


class Tab:
    """One tab, by protocol methods."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._loaded = False
        self.complaints: list[str] = []
        """Script errors, console messages, refused loads and dialogs since the last page was opened."""

    async def call(self, method: str, **parameters: Any) -> Any:
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            answer = await self._socket.receive_json()
            if answer.get("id") == number:
                assert "error" not in answer, answer["error"]
                return answer["result"]
            self._take(answer)

    def _take(self, event: dict[str, Any]) -> None:
        self._loaded |= event["method"] == "Page.loadEventFired"
        if event["method"] in (
            "Runtime.exceptionThrown",
            "Runtime.consoleAPICalled",
            "Log.entryAdded",
            "Page.javascriptDialogOpening",
        ):
            self.complaints.append(str(event["params"]))

    async def open(self, path: Path, *, width: int, scheme: str = "light", media: str = "screen") -> None:
        """Open a file in a window of this width and colour scheme, and wait until it is laid out."""
        self.complaints.clear()
        self._loaded = False
        for domain in ("Page", "Runtime", "Log"):
            await self.call(f"{domain}.enable")
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False
        )
        scheme_feature = {"name": "prefers-color-scheme", "value": scheme}
        await self.call("Emulation.setEmulatedMedia", media=media, features=[scheme_feature])
        await self.call("Page.navigate", url=path.as_uri())
        while not self._loaded:
            self._take(await self._socket.receive_json())

    async def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression of ours in the page."""
        answer = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")


@asynccontextmanager
async def browser(profile: Path) -> AsyncIterator[Tab]:
    """A tab of a browser with a new profile in this folder; both are gone after the block."""
    assert FOUND is not None
    unsandboxed = ["--no-sandbox"] if sys.platform == "linux" else []  # root and containers have none
    process = await asyncio.create_subprocess_exec(
        FOUND,
        *unsandboxed,
        f"--user-data-dir={profile}",
        *_FLAGS,
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        port = await _port(profile / "DevToolsActivePort", process)
        async with aiohttp.ClientSession() as http:
            async with http.get(f"http://127.0.0.1:{port}/json/list") as answer:
                pages = [page for page in await answer.json() if page["type"] == "page"]
            async with http.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                yield Tab(socket)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _port(written: Path, process: asyncio.subprocess.Process) -> int:
    def ready() -> bool:
        assert process.returncode is None, "the browser ended before it could be used"
        return written.exists() and bool(written.read_text().strip())

    await until(ready)
    return int((await asyncio.to_thread(written.read_text)).split()[0])
