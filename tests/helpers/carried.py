"""A thread of a library's own class."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


class Subclass(threading.Thread):
    """Overrides both what starts it and what it runs."""

    def __init__(self, call: Callable[[], Any]) -> None:
        super().__init__()
        self.call = call

    def start(self) -> None:
        super().start()

    def run(self) -> None:
        self.call()
