"""ToRL's tool (arXiv 2503.23383): a Python interpreter in a process of its own, with limits."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from artis_sdk.records import Risk
from artis_sdk.simulators import forks
from artis_sdk.tools import Toolset

_MOST: Final = 1 << 16  # bytes of output that are read
_LONGEST: Final = 500  # characters of an error


class PythonError(Exception):
    """The code raised, was killed, or did not end; the message is its last line."""


class PythonSandbox:
    """Runs snippets, each in a fresh process: nothing is kept from one to the next.

    The process has no environment, an empty folder that is removed, and limits on time, memory, files and
    output. It is still a process of this user, with the user's files and network: if a model's code must
    not reach them, run the training itself in a container.

    Args:
        seconds: limit of wall time and of CPU time, in seconds.
        memory: limit of address space, in MiB.
    """

    def __init__(self, *, seconds: float = 5.0, memory: int = 512) -> None:
        self._seconds = seconds
        self._memory = memory
        self._folder: Path | None = None
        """Parent of the snippets' folders; by default the system's own."""

    @contextmanager
    def __fork__(self) -> Iterator[PythonSandbox]:
        """An equal object, as it has no state; its tools may start and end processes."""
        with forks.temporary_folder() as folder:
            forks.allow("subprocess.Popen", "os.killpg")
            made = PythonSandbox(seconds=self._seconds, memory=self._memory)
            made._folder = folder
            yield made

    async def python(self, code: str) -> str:
        """Run Python code and give back what it prints.

        Args:
            code: a program; the value of a last line that is an expression is printed too.
        """
        with tempfile.TemporaryDirectory(prefix="artis-python-", dir=self._folder) as folder:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-I", "-c", _RUNNER, str(int(self._seconds) + 1), str(self._memory << 20),
                cwd=folder, env={"OPENBLAS_NUM_THREADS": "1"}, start_new_session=True,
                stdin=PIPE, stdout=PIPE, stderr=STDOUT,
            )  # fmt: skip
            try:
                async with asyncio.timeout(self._seconds):
                    text, flooded = await _talk(process, code.encode("utf-8", "replace"))
                    status = await process.wait()
            except TimeoutError:
                raise PythonError(f"TimeoutError: did not end within {self._seconds:g} s") from None
            finally:
                _kill(process.pid)
                await process.wait()
        if status and not flooded:
            why = f"killed by signal {-status}" if status < 0 else f"ended with status {status}"
            raise PythonError((text.strip().rpartition("\n")[2] or why)[:_LONGEST])
        return text.strip()


async def _talk(process: asyncio.subprocess.Process, code: bytes) -> tuple[str, bool]:
    """Send the program and read its output; too much output ends it.

    Returns:
        The output, and whether it was longer than the limit.
    """
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(code)
    process.stdin.close()
    read = bytearray()
    while len(read) < _MOST and (block := await process.stdout.read(_MOST)):
        read += block
    flooded = len(read) >= _MOST
    if flooded:
        _kill(process.pid)
    return read[:_MOST].decode("utf-8", "replace"), flooded


def _kill(group: int) -> None:
    """End the process and its children."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


_RUNNER: Final = """
import ast, resource, sys
seconds, memory = map(int, sys.argv[1:])
for what, most in ((resource.RLIMIT_CPU, seconds), (resource.RLIMIT_AS, memory),
                   (resource.RLIMIT_FSIZE, 1 << 20), (resource.RLIMIT_CORE, 0), (resource.RLIMIT_NOFILE, 64)):
    resource.setrlimit(what, (most, most))
def run():
    tree = ast.parse(sys.stdin.read())
    names = {"__name__": "__main__"}
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<code>", "exec"), names)
    if last is not None:
        value = eval(compile(ast.Expression(last.value), "<code>", "eval"), names)
        if value is not None:
            print(value)
try:
    run()
except BaseException as error:
    sys.stdout.flush()
    print(f"{type(error).__name__}: {error}")
    sys.exit(1)
"""


def python_tools(sandbox: PythonSandbox | None = None) -> Toolset:
    """The interpreter as a toolset of one read-only tool, `python`."""
    box = sandbox or PythonSandbox()
    return Toolset.from_object(box, include=["python"], risks={"python": Risk.READ_ONLY})
