"""What is left when the program that owns an engine or a server is killed: nothing."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest
from vllm_helpers import all_gone, descendants, engine_processes, free_port

pytestmark = pytest.mark.engine

CHILD = Path(__file__).with_name("vllm_child.py")


async def child(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, str(CHILD), *arguments, stdout=asyncio.subprocess.PIPE, start_new_session=True
    )


async def test_an_engine_ends_with_its_killed_owner() -> None:
    owner = await child("engine")
    try:
        assert owner.stdout is not None
        async with asyncio.timeout(240):
            line = await owner.stdout.readline()
        processes = set(json.loads(line)) | descendants(owner.pid)
        assert len(engine_processes(owner.pid)) >= 2
    finally:
        owner.kill()
    await owner.wait()
    assert await asyncio.to_thread(all_gone, processes, 10.0)


async def test_a_server_ends_with_its_killed_owner_even_while_it_starts() -> None:
    owner = await child("serve", str(free_port()))
    try:
        started: set[int] = set()
        for _ in range(1200):
            started = descendants(owner.pid)
            if len(started) >= 3:  # API server, resource tracker, engine core
                break
            await asyncio.sleep(0.2)
        assert len(started) >= 3
    finally:
        owner.kill()
    await owner.wait()
    assert await asyncio.to_thread(all_gone, started, 10.0)


async def test_the_watch_does_nothing_where_nobody_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """vLLM calls the plugin in every program of an environment that artis_sdk is installed in."""
    import threading

    from artis_sdk.backends import vllm_watch

    before = threading.active_count()
    monkeypatch.delenv(vllm_watch.OWNER, raising=False)
    vllm_watch.register()
    monkeypatch.setenv(vllm_watch.OWNER, str(os.getpid()))
    vllm_watch.register()
    assert threading.active_count() == before


def test_the_watch_is_loaded_beside_the_plugins_that_are_allowed() -> None:
    from artis_sdk.backends.vllm_watch import OWNER, PLUGIN, watched_environment

    assert watched_environment({}, own_group=False) == {OWNER: str(os.getpid())}
    added = watched_environment({"VLLM_PLUGINS": "mine"}, own_group=True)
    assert added["VLLM_PLUGINS"] == f"mine,{PLUGIN}"
    assert "VLLM_PLUGINS" not in watched_environment({"VLLM_PLUGINS": PLUGIN}, own_group=False)
