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
import textwrap
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from os import execv as early_execv
from os import system as early_system
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from helpers.firewall import CANARIES, CountingWorld, pay, pay_or_refusal

from artis_sdk.errors import FirewallError
from artis_sdk.tools import entered, outside, running_code
from artis_sdk.tools.processes import INSIDE, MARK
from artis_sdk.tools.world import firewall

PYTHON = [sys.executable, "-c", "from helpers.firewall import *; print(pay_or_refusal(5))"]
SHOW = ["/bin/sh", "-c", f"echo ${MARK}"]
"""Shows the mark that it was started with."""

METHODS = ["fork", "spawn", "forkserver"]

pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    CANARIES.clear()
    yield
    assert not firewall.running
    assert firewall.lease is None
    assert MARK not in os.environ


async def lost(call: Callable[[], Any]) -> Any:
    """Call something in a thread whose context belongs to nothing."""
    result: SimpleQueue[Any] = SimpleQueue()
    thread = threading.Thread(target=lambda: result.put(call()))
    contextvars.Context().run(thread.start)
    await asyncio.to_thread(thread.join)
    return result.get()


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
        with pytest.raises(FirewallError, match=r"os\.system: not started.*use subprocess\.run"):
            early_system(SHOW[2])
        # A child that was forked to be replaced must not go on as a second copy of its parent.
        code, out, err = in_child(lambda: early_execv(SHOW[0], SHOW), capfd)
    assert (code, out) == (127, "")
    assert "os.exec: not started" in err
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


# --- multiprocessing --------------------------------------------------------------------------


def answer(queue: Any) -> None:
    queue.put(pay_or_refusal(5))


@pytest.mark.parametrize("method", METHODS)
async def test_process_started_in_a_world_is_refused(method: str) -> None:
    context: Any = multiprocessing.get_context(method)
    with entered(CountingWorld()):
        queue = context.SimpleQueue()
        process = context.Process(target=answer, args=(queue,))
        process.start()
        assert "started inside" in await asyncio.to_thread(queue.get)
        process.join()
    process = context.Process(target=answer, args=(queue,))
    process.start()
    assert queue.get() == -5
    process.join()


async def test_spawned_process_is_marked_before_it_imports_the_main_module(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent("""
            import asyncio, multiprocessing
            from helpers.firewall import CountingWorld, pay_or_refusal
            from artis_sdk.tools import entered

            if __name__ == "__mp_main__":
                print("import:", pay_or_refusal(5))

            async def main():
                with entered(CountingWorld()):
                    process = multiprocessing.get_context("spawn").Process(target=print)
                    process.start()
                    process.join()

            if __name__ == "__main__":
                asyncio.run(main())
        """)
    )
    ended = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, check=True)
    assert "import: pay: refused, because this process" in ended.stdout


@pytest.mark.parametrize("method", METHODS)
async def test_executor_is_refused_what_a_world_gives_it_and_nothing_else(method: str) -> None:
    """Whether its process was there before, or is started for the very call."""
    context: Any = multiprocessing.get_context(method)
    with (
        ProcessPoolExecutor(1, mp_context=context) as warm,
        ProcessPoolExecutor(1, mp_context=context) as new,
    ):
        assert warm.submit(pay_or_refusal, 1).result(60) == -1
        for pool in (warm, new):
            with entered(CountingWorld()):
                loop = asyncio.get_running_loop()
                assert "started inside" in str(await loop.run_in_executor(pool, pay_or_refusal, 5))
                assert "started inside" in str(
                    await asyncio.to_thread(list, pool.map(pay_or_refusal, [5, 6]))
                )
                error = await asyncio.to_thread(pool.submit(pay, 5).exception, 60)
                assert isinstance(error, FirewallError)
                elsewhere = contextvars.Context().run(pool.submit, pay_or_refusal, 2)
                assert await asyncio.wrap_future(elsewhere) == -2
            assert pool.submit(pay_or_refusal, 5).result(60) == -5
            with running_code("rehearsal"):
                elsewhere = contextvars.Context().run(pool.submit, pay_or_refusal, 2)
                assert "started inside" in str(await asyncio.wrap_future(elsewhere))
            assert pool.submit(pay_or_refusal, 5).result(60) == -5


def put_off(n: int) -> None:
    LATE.append(threading.Timer(0.0, lambda: RESULTS.put(pay_or_refusal(n))))
    LATE[0].start()


def late_result(_: int) -> Any:
    return RESULTS.get()


LATE: list[threading.Timer] = []
RESULTS: SimpleQueue[Any] = SimpleQueue()


async def test_what_a_given_call_leaves_behind_in_a_pools_process_is_refused() -> None:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(pay_or_refusal, 1).result(60) == -1
        with entered(CountingWorld()):
            pool.submit(put_off, 5).result(60)
        assert "started inside" in pool.submit(late_result, 0).result(60)


@pytest.mark.parametrize("method", ["fork", "spawn"])
async def test_pool_is_refused_what_a_world_gives_it_and_nothing_else(method: str) -> None:
    back: SimpleQueue[Any] = SimpleQueue()

    def call_back(result: Any) -> None:
        back.put((result, pay_or_refusal(3)))

    with multiprocessing.get_context(method).Pool(1) as pool:
        assert pool.apply(pay_or_refusal, (1,)) == -1
        with entered(CountingWorld()):
            results = [
                pool.apply(pay_or_refusal, (5,)),
                *pool.map(pay_or_refusal, [5]),
                *pool.starmap(pay_or_refusal, [(5,)]),
                *pool.imap(pay_or_refusal, [5]),
                *pool.imap_unordered(func=pay_or_refusal, iterable=[5]),
            ]
            pool.apply_async(pay_or_refusal, (5,), callback=call_back)
            result, call = await asyncio.to_thread(back.get)
            results.append(result)
        assert all("started inside" in str(result) for result in results)
        assert call == 1000  # called back in this process, in the same world
        assert pool.map(pay_or_refusal, [5]) == [-5]


def fail_if_real() -> None:
    if pay_or_refusal(5) == -5:
        os.kill(os.getppid(), signal.SIGABRT)


@pytest.mark.parametrize("kind", ["executor", "pool"])
async def test_initializer_that_a_world_gives_a_pool_is_refused(kind: str) -> None:
    context = multiprocessing.get_context("fork")
    with entered(CountingWorld()):
        if kind == "pool":
            with context.Pool(1, fail_if_real) as pool:
                pool.apply(abs, (1,))
        else:
            with ProcessPoolExecutor(1, context, fail_if_real) as executor:
                await asyncio.wrap_future(executor.submit(abs, 1))
