"""Example that a model of half a million weights can learn in minutes: look things up with the right tool.

A question names what is wanted and of which thing. One tool each gives prices, stocks, owners and cities, and
each answers with the value and a long reference number, as real services do: many tokens of no use, which
nobody can predict. The city of a thing takes two calls: its owner, then the owner's city.
"""

from __future__ import annotations

import random
from typing import Final

from artis_sdk.records import Risk, ToolCall
from artis_sdk.tools import Toolset
from artis_sdk.trainers.agent.rollout import AgentTask

THINGS: Final = (
    "lamp", "chair", "desk", "shelf", "clock", "kettle", "mirror", "rug", "piano", "bench", "vase", "stool",
    "crate", "globe", "radio", "tent",
)  # fmt: skip
OWNERS: Final = ("ann", "bob", "eve", "kim", "lee", "max", "sam", "zoe")
CITIES: Final = ("rome", "oslo", "lima", "bern", "cairo", "paris", "delhi", "tokyo")
KINDS: Final = ("price", "stock", "owner", "city")
REFERENCE: Final = 12  # pairs of digits
HELD_OUT: Final = THINGS[12:]
"""Things in no training task."""


class Register:
    """Things with their prices, stocks and owners, and the owners' cities."""

    def __init__(self, seed: str) -> None:
        rng = random.Random(seed)
        self._prices = {thing: rng.randrange(10, 100) for thing in THINGS}
        self._stocks = {thing: rng.randrange(10, 100) for thing in THINGS}
        self._owners = {thing: rng.choice(OWNERS) for thing in THINGS}
        self._cities = {owner: rng.choice(CITIES) for owner in OWNERS}
        self._rng = rng

    def price(self, thing: str) -> str:
        """What a thing costs."""
        return self._referenced(self._prices, thing)

    def stock(self, thing: str) -> str:
        """How many pieces of a thing there are."""
        return self._referenced(self._stocks, thing)

    def owner(self, thing: str) -> str:
        """Whose a thing is."""
        return self._referenced(self._owners, thing)

    def city(self, owner: str) -> str:
        """Where an owner lives."""
        return self._referenced(self._cities, owner)

    def right(self, kind: str, thing: str) -> str:
        """The right answer."""
        if kind == "city":
            return self._cities[self._owners[thing]]
        known: dict[str, object] = {
            "price": self._prices[thing],
            "stock": self._stocks[thing],
            "owner": self._owners[thing],
        }
        return str(known[kind])

    def whose(self, thing: str) -> str:
        """The owner, for the right calls of a task."""
        return self._owners[thing]

    def _referenced(self, table: dict[str, object] | dict[str, int] | dict[str, str], key: str) -> str:
        if key not in table:
            raise LookupError(f"none {key}")
        return f"{table[key]} ref {''.join(f'{self._rng.randrange(100):02}' for _ in range(REFERENCE))}"


def lookup_tools(register: Register) -> Toolset:
    """The four tools."""
    return Toolset.from_object(register, include=KINDS, default_risk=Risk.READ_ONLY)


def lookup_tasks(number: int, *, seed: int = 0, held_out: bool = False) -> list[AgentTask]:
    """Questions, each about a register of its own.

    Args:
        number: number of tasks.
        seed: seed of registers and questions.
        held_out: whether to ask about things that no other task asks about.
    """
    rng = random.Random(f"lookup {seed} {held_out}")
    tasks = []
    for n in range(number):
        register = Register(f"{seed} {held_out} {n}")
        kind, thing = KINDS[n % len(KINDS)], rng.choice(HELD_OUT if held_out else THINGS[:12])
        first = "owner" if kind == "city" else kind
        calls = [ToolCall(tool=first, arguments={"thing": thing})]
        if kind == "city":
            calls.append(ToolCall(tool="city", arguments={"owner": register.whose(thing)}))
        tasks.append(
            AgentTask(
                f"lookup-{'held-out' if held_out else 'train'}-{seed}-{n}",
                f"{kind} {thing}",
                lookup_tools(register),
                answer=register.right(kind, thing),
                calls=tuple(calls),
            )
        )
    return tasks
