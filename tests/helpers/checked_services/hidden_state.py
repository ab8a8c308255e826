"""What no state holds: module-level state, defaults that calls change, draws, clocks, locks and logs."""

from __future__ import annotations

import logging
import random
import threading
import uuid
from datetime import datetime, timedelta
from typing import Any

from helpers.checked_services import module_state
from helpers.checked_services.module_state import USERS

log = logging.getLogger(__name__)
RATES = {"eur": 1.0, "usd": 1.1}
STOCK = {"tea": 3}


def reduce(stock: dict[str, int], name: str) -> None:
    stock[name] -= 1


class Door:
    """Something that is called a lock and is none."""

    def __init__(self) -> None:
        self.held = True

    def __enter__(self) -> None:
        if self.held:
            raise RuntimeError("locked by another")

    def __exit__(self, *error: object) -> None:
        pass


class Gateway:
    def time(self) -> float:
        raise ConnectionError("gateway down")

    def choice(self, options: list[str]) -> str:
        if not options:
            raise ValueError("no options")
        return options[0]


class Keeper:
    LIMIT = 5

    def __init__(self) -> None:
        self.names: list[str] = ["ann"]
        self.lock = threading.Lock()
        self.door_lock = Door()
        self.gateway = Gateway()
        self._gateway = Gateway()
        self.log = log
        self.done = False

    def rate(self, name: str) -> Any:
        return RATES[name] if name in RATES else RATES["eur"] * 2

    def buy(self, name: str) -> Any:
        if STOCK[name] < 1:
            raise ValueError("none left")
        reduce(STOCK, name)
        return "sold"

    def age(self, name: str) -> Any:
        if not module_state.enabled:
            raise RuntimeError("disabled")
        return USERS[name]

    def enroll(self, name: str) -> Any:
        module_state.add(name)
        return "added"

    def remember(self, name: str, seen: list[str] = []) -> Any:  # noqa: B006
        seen.append(name)
        return len(seen)

    def capped(self, number: int, cap: int = LIMIT) -> Any:
        if number > cap:
            raise ValueError(f"over {cap}")
        return number

    def logged(self, name: str) -> Any:
        self.log.info("found %s", self.names.pop())
        log.debug(f"left {self.names}")
        return [*self.names, name]

    def locked(self, number: int) -> Any:
        with self.lock:
            return number

    def doored(self, number: int) -> Any:
        with self.door_lock:
            return number

    def drawn(self, options: list[str]) -> Any:
        winner = random.choice(options)
        self.done = True
        return "drawn" if winner else "none"

    def waited(self, hours: int) -> Any:
        until = datetime.now() + timedelta(hours=random.randint(1, hours))
        self.names.append(f"{uuid.uuid4()}-{until:%Y}")
        return len(self.names)

    def pinged(self, options: list[str]) -> Any:
        return self.gateway.choice(options)

    def pinged_within(self, options: list[str]) -> Any:
        self._gateway.choice(options)
        return "picked"

    def timed(self, number: int) -> Any:
        self._gateway.time()
        return number


def make() -> list[object]:
    module_state.reset(STOCK)
    return [Keeper()]


CALLS: list[tuple[str, dict[str, Any]]] = [
    ("rate", {"name": "usd"}),
    ("rate", {"name": "q"}),
    ("buy", {"name": "tea"}),
    ("age", {"name": "ann"}),
    ("age", {"name": "bob"}),
    ("enroll", {"name": "bob"}),
    ("remember", {"name": "x"}),
    ("capped", {"number": 7}),
    ("capped", {"number": 3}),
    ("logged", {"name": "x"}),
    ("locked", {"number": 1}),
    ("doored", {"number": 1}),
    ("drawn", {"options": []}),
    ("drawn", {"options": ["a"]}),
    ("waited", {"hours": 1}),
    ("waited", {"hours": 0}),
    ("pinged", {"options": []}),
    ("pinged_within", {"options": []}),
    ("pinged_within", {"options": ["a"]}),
    ("timed", {"number": 1}),
]
