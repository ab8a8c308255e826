"""The texts of a run's models, as they are written."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from artis_sdk.records import Role


class TextPiece(NamedTuple):
    """A piece of a model's text, as it arrives: some tokens long."""

    role: Role
    """The role that the model was asked in."""
    attempt: int | None
    """Index of the attempt; None outside attempts."""
    request: int
    """Number of the request in its run, from 0. Pieces of requests side by side come mixed."""
    text: str
    """The piece, with secrets and thoughts, as the model wrote it."""


OnText = Callable[[TextPiece], None]
"""Receives the pieces, on the event loop. What it raises ends the request and its run."""
