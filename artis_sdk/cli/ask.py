"""Questions to the person at the terminal. Ctrl-C ends the command; no terminal and no answer mean no."""

from __future__ import annotations

import asyncio
import os
import sys
import termios
from typing import Literal

from rich.console import RenderableType

from artis_sdk.cli.output import console, errors
from artis_sdk.view.screen import Screen
from artis_sdk.view.text import plain

_END_OF_TEXT = b""


def asked_on() -> Screen | None:
    """The screen that questions stand on: the one that a person reads. None without a person."""
    if not sys.stdin.isatty():
        return None
    return next((screen for screen in (console, errors) if screen.file.isatty()), None)


Chosen = Literal["yes", "edit", "no"]


async def confirm(question: str, *shown: RenderableType) -> bool:
    """Whether the person answers yes; see `choose`."""
    return await choose(question, *shown, edits=False) == "yes"


async def choose(question: str, *shown: RenderableType, edits: bool = True) -> Chosen:
    """What the person answers; anything but the answers is no, as is the end of the input.

    What was typed before the question stood there is thrown away.

    Args:
        question: the question, without its answers.
        shown: what the person decides on, printed above it.
        edits: whether they may also edit it.
    """
    screen = asked_on()
    if screen is None:
        return "no"
    for part in shown:
        screen.print(part)
    answer = await _answer(screen, f"{question} [{'y/e(dit)/N' if edits else 'y/N'}]: ")
    said = "" if answer is None else answer.strip().lower()
    if edits and said in ("e", "edit"):
        return "edit"
    return "yes" if said in ("y", "yes") else "no"


async def typed_lines(shown: str, prompt: str) -> str | None:
    """Lines that the person types, up to an empty one; None at the end of the input.

    Args:
        shown: text to print before.
        prompt: what to type.
    """
    screen = asked_on()
    if screen is None:
        return None
    screen.print(plain(shown, lines=True), end="", soft_wrap=True)
    screen.print(plain(f"{prompt}:"))
    found: list[str] = []
    while True:
        line = await _answer(screen, "> ")
        if line is None:
            return None
        if not line.strip():
            return "\n".join(found)
        found.append(line)


async def typed(question: str, default: str) -> str:
    """A line that the person types; the default for an empty one, and at the end of the input."""
    screen = asked_on()
    answer = None if screen is None else await _answer(screen, f"{question} [{default}]: ")
    return (answer or "").strip() or default


def tell(said: str) -> None:
    """Print why something that the person typed cannot be used."""
    screen = asked_on()
    if screen is not None:
        screen.print(plain(("! ", "bold red"), said))


async def secret(name: str) -> str | None:
    """A secret, typed in where nobody sees it; None at the end of the input."""
    screen = asked_on()
    return None if screen is None else await _answer(screen, f"{name}: ", hidden=True)


async def _answer(screen: Screen, prompt: str, *, hidden: bool = False) -> str | None:
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    asking = termios.tcgetattr(terminal)
    if hidden:
        asking[3] &= ~termios.ECHO
    termios.tcsetattr(terminal, termios.TCSAFLUSH, asking)
    try:
        screen.print(plain(prompt), end="", soft_wrap=True)
        answer = await _line(terminal)
    except asyncio.CancelledError:
        screen.print()
        raise
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
    if hidden or answer is None:
        screen.print()
    return answer


async def _line(terminal: int) -> str | None:
    """The next line, without blocking the event loop, so that Ctrl-C reaches it at once."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    line = bytearray()
    loop.add_reader(terminal, readable.set)
    try:
        while not line.endswith(b"\n"):
            await readable.wait()
            readable.clear()
            piece = os.read(terminal, 4096)
            if piece == _END_OF_TEXT:
                return None
            line += piece
    finally:
        loop.remove_reader(terminal)
    return line.decode(errors="replace").removesuffix("\n")
