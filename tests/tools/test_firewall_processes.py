"""Processes that are started inside a world are marked, whoever starts them, or not started."""

# Tests wait for processes where they start them.
# ruff: noqa: ASYNC220, ASYNC221, ASYNC222, ASYNC240

from __future__ import annotations

import asyncio
import contextvars
import multiprocessing
import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from os import execv as early_execv
from os import system as early_system
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from helpers.firewall import CANARIES, CountingWorld, clean, pay_or_refusal

from artis_sdk.errors import FirewallError
from artis_sdk.tools import entered, outside, running_code
from artis_sdk.tools.processes import INSIDE, MARK

PYTHON = [sys.executable, "-c", "from helpers.firewall import *; print(pay_or_refusal(5))"]
SHOW = ["/bin/sh", "-c", f"echo ${MARK}"]
"""Shows the mark that it was started with."""


pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")


_clean = pytest.fixture(autouse=True)(clean)


async def lost(call: Callable[[], Any]) -> Any:
    """Call something in a thread whose context belongs to nothing."""
    result: SimpleQueue[Any] = SimpleQueue()
    thread = threading.Thread(target=lambda: result.put(call()))
    contextvars.Context().run(thread.start)
    await asyncio.to_thread(thread.join)
    return result.get()


def answer(queue: Any) -> None:
    queue.put(pay_or_refusal(5))


# --- commands ---------------------------------------------------------------------------------


@pytest.mark.parametrize("env", [None, {}, {b"PATH": b"/bin", MARK.encode(): b"no"}])
async def test_command_is_marked_with_any_environment(env: Any) -> None:
    with entered(CountingWorld()):
        assert subprocess.run(SHOW, env=env, capture_output=True, text=True, check=True).stdout == "inside\n"
        with subprocess.Popen(
            SHOW, -1, None, None, subprocess.PIPE, None, None, True, False, None, env
        ) as process:
            assert process.stdout is not None
            assert process.stdout.read() == b"inside\n"
    with subprocess.Popen(SHOW, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.read() == b"\n"


async def test_marked_command_refuses_guarded_calls() -> None:
    with entered(CountingWorld()):
        env = {"PYTHONPATH": os.pathsep.join(sys.path)}
        inside = subprocess.run(PYTHON, env=env, capture_output=True, text=True, timeout=60, check=True)
    after = subprocess.run(PYTHON, capture_output=True, text=True, timeout=60, check=True)
    assert "started inside a rehearsal or commit" in inside.stdout
    assert after.stdout == "-5\n"


async def test_marked_command_marks_what_it_starts_with_any_environment() -> None:
    code = f"import artis_sdk.tools, subprocess; subprocess.run({SHOW!r}, env={{}})"
    with entered(CountingWorld()):
        command = [sys.executable, "-c", code]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "inside\n"


async def from_asyncio() -> bytes:
    process = await asyncio.create_subprocess_exec(*SHOW, env={}, stdout=subprocess.PIPE)
    return (await process.communicate())[0]


async def from_asyncio_shell() -> bytes:
    process = await asyncio.create_subprocess_shell(SHOW[2], stdout=subprocess.PIPE)
    return (await process.communicate())[0]


async def from_anyio() -> bytes:
    anyio = pytest.importorskip("anyio")
    result: Any = await anyio.run_process(SHOW, env={"PATH": "/bin"})
    output: bytes = result.stdout
    return output


@pytest.mark.parametrize("start", [from_asyncio, from_asyncio_shell, from_anyio])
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_command_of_an_event_loop_is_marked(start: Callable[[], Any], loop: str) -> None:
    async def main() -> None:
        assert await start() == b"\n"
        with entered(CountingWorld()):
            assert await start() == b"inside\n"
        assert await start() == b"\n"

    factory = pytest.importorskip(loop).new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())


def popen() -> None:
    with os.popen(SHOW[2]) as output:
        os.write(1, output.read().encode())


def in_child(call: Callable[[], Any], capfd: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """What a forked child that calls something ends with and writes."""
    child = os.fork()
    if child == 0:
        try:
            call()
        finally:
            os._exit(99)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), *capfd.readouterr()


@pytest.mark.parametrize(
    "call",
    [
        lambda: os.system(SHOW[2]),
        popen,
        lambda: os.spawnv(os.P_WAIT, SHOW[0], SHOW),
        lambda: os.spawnve(os.P_WAIT, SHOW[0], SHOW, {}),
        lambda: os.spawnlp(os.P_WAIT, SHOW[0], *SHOW),
        lambda: os.waitpid(os.posix_spawn(SHOW[0], SHOW, {}), 0),
        lambda: os.waitpid(os.posix_spawnp("sh", SHOW, {MARK: "no"}), 0),
        lambda: pty.spawn(SHOW, lambda fd: b"" if (data := os.read(fd, 100)) == b"" else data),
    ],
    ids=["system", "popen", "spawnv", "spawnve", "spawnlp", "posix_spawn", "posix_spawnp", "pty"],
)
async def test_call_of_os_is_marked(call: Callable[[], Any], capfd: pytest.CaptureFixture[str]) -> None:
    with entered(CountingWorld()):
        call()
    assert capfd.readouterr().out.split() == [INSIDE]


@pytest.mark.parametrize(
    "call",
    [
        lambda: os.execv(SHOW[0], SHOW),
        lambda: os.execve(SHOW[0], SHOW, {}),
        lambda: os.execlp("sh", *SHOW),
        lambda: os.execvpe("sh", SHOW, {"PATH": "/bin"}),
    ],
    ids=["execv", "execve", "execlp", "execvpe"],
)
async def test_program_that_a_forked_child_becomes_is_marked(
    call: Callable[[], Any], capfd: pytest.CaptureFixture[str]
) -> None:
    with entered(CountingWorld()):
        assert in_child(call, capfd) == (0, "inside\n", "")


async def test_start_by_a_name_imported_before_is_refused_with_what_to_do(
    capfd: pytest.CaptureFixture[str],
) -> None:
    refused: list[FirewallError] = []

    class Remembers(CountingWorld):
        def remember_refusal(self, error: FirewallError) -> None:
            refused.append(error)

    with entered(Remembers()):
        with pytest.raises(FirewallError, match=r"os\.system: refused.*use subprocess\.run"):
            early_system(SHOW[2])
        # A child that was forked to be replaced must not go on as a second copy of its parent.
        code, out, err = in_child(lambda: early_execv(SHOW[0], SHOW), capfd)
    assert (code, out) == (127, "")
    assert "os.exec: refused" in err
    assert [error.tool for error in refused] == ["os.system"]
    assert early_system(SHOW[2]) == 0
    assert capfd.readouterr().out == "\n"


SERVER = """
import os
from helpers.firewall import pay_or_refusal
from mcp.server import MCPServer

server = MCPServer("till")

@server.tool()
def charge(n: int) -> str:
    return str(pay_or_refusal(n))

server.run("stdio")
"""


@pytest.mark.slow
async def test_mcp_server_over_stdio_is_refused() -> None:
    """Its client starts it with a whitelist of variables."""
    mcp = pytest.importorskip("mcp")
    stdio = pytest.importorskip("mcp.client.stdio")
    pytest.importorskip("mcp.server.mcpserver")

    async def charge() -> str:
        env = {"PYTHONPATH": os.pathsep.join(sys.path)}
        server = mcp.StdioServerParameters(command=sys.executable, args=["-c", SERVER], env=env)
        async with stdio.stdio_client(server) as streams, mcp.ClientSession(*streams) as client:
            await client.initialize()
            text: str = (await client.call_tool("charge", {"n": 5})).content[0].text
            return text

    with entered(CountingWorld()):
        assert "started inside" in await charge()
    assert await charge() == "-5"


# --- elsewhere in the process -----------------------------------------------------------------


async def test_command_started_elsewhere_is_refused_as_long_as_code_is_rehearsed() -> None:
    code = "from helpers.firewall import *\nwhile input(): print(pay_or_refusal(5), flush=True)"

    def start() -> Any:
        return subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(process: Any) -> str:
        process.stdin.write("?\n")
        process.stdin.flush()
        answer: str = process.stdout.readline()
        return answer

    with running_code("rehearsal"):
        process = await lost(start)
        assert "copy_context" in ask(process)
        with_mark = await lost(lambda: subprocess.run(SHOW, capture_output=True, text=True).stdout.strip())
        assert Path(with_mark).exists()
        with entered(CountingWorld()):
            inside = subprocess.run(SHOW, capture_output=True, text=True, check=True).stdout
    assert ask(process) == "-5\n"
    process.communicate("\n")
    assert inside == "inside\n"
    assert not Path(with_mark).exists()


async def test_command_started_outside_is_not_marked() -> None:
    def start() -> str:
        with outside():
            return subprocess.run(SHOW, capture_output=True, text=True, check=True).stdout

    with running_code("commit"):
        assert await lost(start) == "\n"


async def test_child_forked_elsewhere_is_free_when_the_rehearsal_is_over() -> None:
    mine, childs = multiprocessing.Pipe()

    def fork() -> int:
        child = os.fork()
        if child == 0:
            while childs.recv():
                childs.send(pay_or_refusal(5))
            os._exit(0)
        return child

    def ask() -> Any:
        mine.send(True)
        return mine.recv()

    with running_code("rehearsal"):
        child = await lost(fork)
        try:
            during = ask()
        except BaseException:
            os.kill(child, signal.SIGKILL)
            raise
    try:
        after = ask()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert "copy_context" in during
    assert after == -5
    assert CANARIES == []  # not here


async def test_fork_inside_a_world_is_refused_in_the_child_whatever_its_context() -> None:
    read, write = os.pipe()
    with entered(CountingWorld()):
        child = os.fork()
        if child == 0:
            answers = [pay_or_refusal(5), contextvars.Context().run(pay_or_refusal, 5)]
            os.write(write, str(["started inside" in str(answer) for answer in answers]).encode())
            os._exit(0)
        await asyncio.to_thread(os.waitpid, child, 0)
    assert os.read(read, 1000) == b"[True, True]"
    os.close(read)
    os.close(write)
