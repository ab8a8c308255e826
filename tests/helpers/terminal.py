"""A command at a terminal: a real process on a pseudo-terminal, with keys pressed at it."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import re
import signal
import struct
import sys
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

CTRL_C, CTRL_D = "\x03", "\x04"


class Terminal:
    """What a command has printed so far, and its keyboard."""

    def __init__(self, process: asyncio.subprocess.Process, keyboard: int) -> None:
        self.process = process
        self.printed = ""
        self._keyboard = keyboard
        self._changed = asyncio.Event()

    def take(self) -> None:
        """Take what has been printed; the end of the command is an error to read on."""
        with suppress(OSError):
            self.printed += os.read(self._keyboard, 65536).decode(errors="replace")
        self._changed.set()

    async def until(self, said: str, seconds: float = 60) -> None:
        """Wait until this is on the screen."""
        try:
            async with asyncio.timeout(seconds):
                while said not in self.plain:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"{said!r} was not printed: {self.printed}") from None

    async def pause(self, seconds: float = 0.05) -> None:
        """Wait; what is printed meanwhile is taken."""
        await asyncio.sleep(seconds)

    def press(self, keys: str) -> None:
        os.write(self._keyboard, keys.encode())

    async def ended(self, seconds: float = 30) -> int:
        """The exit code."""
        async with asyncio.timeout(seconds):
            code = await self.process.wait()
        self.take()
        return code

    @property
    def plain(self) -> str:
        """What was printed, without colours and in one line."""
        return re.sub(r"\s+", " ", re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self.printed))


def _take_the_terminal() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # ignored where the suite runs in the background of a shell
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@asynccontextmanager
async def at_terminal(folder: Path, *arguments: str, columns: int = 160) -> AsyncIterator[Terminal]:
    """Run `artis` in this folder with a terminal for input and output; it is killed after the block."""
    keyboard, screen = pty.openpty()
    fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    environment = {n: v for n, v in os.environ.items() if not n.startswith("ARTIS_") and n != "COLUMNS"}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "artis_sdk.cli", *arguments),
        cwd=folder,
        env=environment | {"TERM": "xterm"},
        stdin=screen,
        stdout=screen,
        stderr=screen,
        start_new_session=True,
        preexec_fn=_take_the_terminal,
    )
    os.close(screen)
    terminal = Terminal(process, keyboard)
    loop = asyncio.get_running_loop()
    loop.add_reader(keyboard, terminal.take)
    try:
        yield terminal
    finally:
        loop.remove_reader(keyboard)
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        os.close(keyboard)
