"""A module with state of its own."""

from __future__ import annotations

USERS = {"ann": 1}
enabled = True


def add(name: str) -> None:
    """Keeps a user, up to a number."""
    global enabled
    USERS[name] = len(USERS)
    enabled = len(USERS) < 3


def reset(stock: dict[str, int]) -> None:
    """As it was in the beginning."""
    global enabled
    USERS.clear()
    USERS["ann"] = 1
    stock["tea"] = 3
    enabled = True
