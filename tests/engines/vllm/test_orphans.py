"""What is left when the program that owns an engine or a server is killed: nothing."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from helpers.engine_sessions import Brief, rehearsing_tasks, session, thread_names
from helpers.vllm import START, all_gone, ask, descendants, engine_processes, free_port, serve_command

from artis_sdk.backends import resolve, vllm_watch
from artis_sdk.backends.hosted.retry import RetryPolicy
from artis_sdk.errors import ConnectionLost, ServerFailed
from artis_sdk.records import Request

pytestmark = [pytest.mark.engine, pytest.mark.timeout(START)]

CHILD = ("-P", "-m", "helpers.vllm_child")
Program = asyncio.subprocess.Process


@asynccontextmanager
async def program(*command: str) -> AsyncIterator[Program]:
    started = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()


async def line(owner: Program) -> bytes:
    """The first line that it prints, which takes as long as vLLM takes to start."""
    assert owner.stdout is not None
    async with asyncio.timeout(START):
        return await owner.stdout.readline()


async def test_an_engine_and_a_starting_server_end_with_their_killed_owners() -> None:
    async with (
        program(sys.executable, *CHILD) as engine_owner,
        program(*serve_command(free_port())) as server_owner,
    ):
        server: set[int] = set()
        for _ in range(int(10 * START)):
            server = descendants(server_owner.pid)
            if len(server) >= 3:  # API server, resource tracker, engine core
                break
            await asyncio.sleep(0.1)
        assert len(server) >= 3
        server_owner.kill()
        assert await asyncio.to_thread(all_gone, server, 10.0)

        engine = set(json.loads(await line(engine_owner))) | descendants(engine_owner.pid)
        assert len(engine_processes(engine_owner.pid)) >= 2
        engine_owner.kill()
        assert await asyncio.to_thread(all_gone, engine, 10.0)


async def test_an_engine_that_its_program_leaves_open_ends_without_a_word() -> None:
    """At its end the interpreter takes modules away that vLLM's destructor needs."""
    owner = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "helpers.vllm_left_open",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, said = await owner.communicate()
    assert owner.returncode == 0, said.decode()
    tokens, _, processes = out.decode().partition(" ")
    assert int(tokens) == 4
    assert "ignored" not in said.decode().replace("will be ignored", "")
    assert await asyncio.to_thread(all_gone, json.loads(processes), 10.0)


async def test_a_servers_engine_killed_in_mid_attempt(tmp_path: Path) -> None:
    """The session ends with a typed error, and the server with everything that it has started."""
    port = free_port()
    async with program(*serve_command(port)) as owner:
        await line(owner)
        processes = descendants(owner.pid)
        *_, victim = sorted(engine_processes(owner.pid))  # a worker, as it is when memory runs out
        threads = thread_names()
        backend = resolve("vllm:tiny", base_url=f"http://127.0.0.1:{port}/v1", retry=RetryPolicy(attempts=2))
        brief = Brief(backend)
        async with session(brief, tmp_path / "journal.db") as running:
            rehearsal = asyncio.create_task(running.rehearse("Light, please."))
            await brief.predicting.wait()
            os.kill(victim, signal.SIGKILL)
            with pytest.raises((ServerFailed, ConnectionLost)):
                async with asyncio.timeout(30):
                    await rehearsal
        assert rehearsing_tasks() == set()
        async with asyncio.timeout(30):
            with pytest.raises((ServerFailed, ConnectionLost)):
                await backend.complete(Request(messages=ask("Hi")))
            assert await owner.wait() == 1, "artis serve says that its server ended by itself"
        await backend.aclose()
        assert await asyncio.to_thread(all_gone, processes, 5.0)
        waited = {name for name in threads if name.startswith("waitpid")}  # for the server, which is gone
        assert thread_names() == threads - waited


async def test_the_watch_does_nothing_where_nobody_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """vLLM calls the plugin in every program of an environment that artis_sdk is installed in."""
    before = threading.active_count()
    monkeypatch.delenv(vllm_watch.OWNER, raising=False)
    vllm_watch.register()
    monkeypatch.setenv(vllm_watch.OWNER, str(os.getpid()))
    vllm_watch.register()
    assert threading.active_count() == before


def test_the_watch_is_loaded_beside_the_plugins_that_are_allowed() -> None:
    assert vllm_watch.watched_environment({}, own_group=False) == {vllm_watch.OWNER: str(os.getpid())}
    added = vllm_watch.watched_environment({"VLLM_PLUGINS": "mine"}, own_group=True)
    assert added["VLLM_PLUGINS"] == f"mine,{vllm_watch.PLUGIN}"
    assert "VLLM_PLUGINS" not in vllm_watch.watched_environment(
        {"VLLM_PLUGINS": vllm_watch.PLUGIN}, own_group=False
    )
