"""One engine and one server for all vLLM tests, and a look at the processes that they leave."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from helpers import tiny_model

from artis_sdk.contracts import Backend
from artis_sdk.records import Message, Request

# Small enough for two cores; `max_num_seqs` so that a test can fill the engine.
ENGINE_ARGS: dict[str, Any] = {
    "max_model_len": 2048,
    "kv_cache_memory_bytes": 2**28,
    "max_num_seqs": 8,
    "dtype": "float32",
}
SERVER_FLAGS = [
    *("--max-model-len", "2048", "--kv-cache-memory-bytes", str(2**28)),
    *("--max-num-seqs", str(ENGINE_ARGS["max_num_seqs"])),
    "--disable-uvicorn-access-log",
]
START = 600.0  # seconds; it takes 30, but much longer on a machine that is busy with other things
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
# Warnings are errors in the tests; those of vLLM and of what it imports are not ours to mend.
THEIR_WARNINGS = ("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
IN_PROCESS = [
    pytest.mark.engine,
    pytest.mark.timeout(START),
    *map(pytest.mark.filterwarnings, THEIR_WARNINGS),
]
"""Marks of tests with an engine in their own process."""


@cache
def model() -> str:
    return str(tiny_model.hf_model())


@cache
def adapters() -> dict[str, Path]:
    """One adapter, which changes what the model says."""
    return {"simulator": tiny_model.lora_adapter(std=2.0)}


def serve_command(port: int) -> list[str]:
    """`artis serve` of the model as `tiny`, with its adapter."""
    given = [f"--adapter=simulator={adapters()['simulator']}", "--name=tiny", f"--port={port}"]
    return [sys.executable, "-m", "artis_sdk.cli", "serve", model(), *given, "--", *SERVER_FLAGS]


def descendants(pid: int) -> set[int]:
    """Process ids of everything that a process has started, directly or not."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry.name)] = int(fields[1])
    found: set[int] = set()
    fresh = {pid}
    while fresh:
        fresh = {child for child, parent in parents.items() if parent in fresh} - found
        found |= fresh
    return found


def engine_processes(pid: int) -> set[int]:
    """Those descendants that are vLLM's."""
    return {each for each in descendants(pid) if "VLLM" in _title(each)}


def alive(pids: Iterable[int]) -> set[int]:
    """Those that run; one that has ended and was not waited for does not."""
    return {pid for pid in pids if _state(pid) not in ("", "Z", "X")}


def all_gone(pids: Iterable[int], seconds: float) -> bool:
    """Whether all have ended within so many seconds."""
    deadline = time.monotonic() + seconds
    while alive(pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def ask(text: str) -> tuple[Message, ...]:
    return (Message(role="system", content="You are a test."), Message(role="user", content=text))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def check_cancelled(backend: Backend, count: int) -> None:
    """Cancel requests of 1,500 tokens that are under way at once; the next one is answered soon."""
    request = Request(messages=ask("Talk on."), max_tokens=1500, temperature=0.0)
    tasks = [asyncio.create_task(backend.complete(request)) for _ in range(count)]
    await asyncio.sleep(0.5)
    for task in tasks:
        task.cancel()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(end) for end in ends] == [asyncio.CancelledError] * count, ends
    async with asyncio.timeout(10):
        await backend.complete(Request(messages=ask("Still there?"), max_tokens=4))
