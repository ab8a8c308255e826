"""Acts that leave the process: refused in whatever way a body does them."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
from pathlib import Path
from typing import Any

import pytest
from helpers.counting_server import Handler
from helpers.sealed_acts import ACTS, SANDBOX, Does, tree
from helpers.simulators import call, fork
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from artis_sdk.errors import ConfigurationError, SimulationError
from artis_sdk.simulators import SandboxSimulator
from artis_sdk.tools import Toolset

WAYS = ("act", "act_async", "act_in_task", "act_in_thread")


@pytest.mark.parametrize("name", ACTS)
async def test_what_leaves_the_process_is_refused(does: Does, name: str) -> None:
    tools = Toolset.from_object(does)
    for way in WAYS:
        for swallow in (False, True):
            attempt = fork(SANDBOX, tools)
            with pytest.raises(SimulationError, match=f"{way}: the sandbox refused ") as caught:
                await attempt.predict(call(way, name=name, swallow=swallow), None, ())
            assert "SandboxSimulator(allow=[" in str(caught.value)
            with pytest.raises(SimulationError):  # the attempt is over
                await attempt.predict(call("act", name="nothing"), None, ())


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from(WAYS), st.sampled_from(sorted(ACTS)), st.booleans()), max_size=4),
    st.integers(1, 4),
)
@pytest.mark.slow
def test_no_attempt_gets_out_whatever_others_do(
    does: Does, sequence: list[tuple[str, str, bool]], together: int
) -> None:
    async def one() -> list[bool]:
        refused = []
        for way, name, swallow in sequence:
            try:
                await fork(SANDBOX, tools).predict(call(way, name=name, swallow=swallow), None, ())
            except SimulationError:
                refused.append(True)
            else:
                refused.append(False)
        return refused

    async def run() -> None:
        real = asyncio.create_task(outside())
        for refused in await asyncio.gather(*(one() for _ in range(together))):
            assert all(refused)
        await real

    async def outside() -> None:
        """The application goes on meanwhile, and nothing of it is refused."""
        for _ in range(5):
            with tempfile.TemporaryDirectory() as folder:
                os.mkdir(os.path.join(folder, "own"))
            with socket.socket() as sock:
                sock.bind(("127.0.0.1", 0))
            await asyncio.sleep(0)

    tools = Toolset.from_object(does)
    before = tree(does.folder)
    asyncio.run(run())
    assert tree(does.folder) == before


async def test_what_is_allowed_is_done(tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    Handler.seen.clear()
    monkeypatch.setitem(ACTS, "make", lambda d: (d.folder / "made").mkdir())
    real = Does(tmp_path, port)
    tools = Toolset.from_object(real)

    async def result(simulator: SandboxSimulator, name: str) -> Any:
        return (await fork(simulator, tools).predict(call("act", name=name), None, ())).value

    assert await result(SandboxSimulator(allow=[tmp_path]), "open_w") == "done"
    assert await result(SandboxSimulator(allow=[str(tmp_path / "made")]), "make") == "done"
    asked: list[tuple[str, str]] = []

    def only_here(act: str, target: str) -> bool:
        asked.append((act, target))
        return "127.0.0.1" in target or act == "http.client.send"

    assert await result(SandboxSimulator(allow=[only_here]), "requests") == "done"
    assert Handler.seen == ["/"]
    assert {act for act, _ in asked} >= {"socket.getaddrinfo", "socket.connect", "http.client.send"}
    assert await result(SandboxSimulator(allow=["socket.getaddrinfo"]), "getaddrinfo") == "done"
    with pytest.raises(SimulationError):
        await result(SandboxSimulator(allow=["socket.getaddrinfo"]), "connect_raw")
    with pytest.raises(SimulationError):
        await result(SandboxSimulator(allow=[tmp_path / "elsewhere"]), "open_w")


@pytest.mark.parametrize("allow", [["socket.conect"], ["relative/path"], [3]])
def test_what_can_be_allowed_is_checked(allow: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"allow=\.\.\."):
        SandboxSimulator(allow=allow)
