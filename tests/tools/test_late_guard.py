"""A guard that comes too late is told at decoration; one in time is not, whatever it is used on."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
from helpers.decorated import passed_on

from artis_sdk import guarded_tool
from artis_sdk.tools.late_guard import LateGuardWarning


class Agent:
    """As agent frameworks do it: the decorator keeps the function and gives it back."""

    def __init__(self) -> None:
        self.tools: dict[str, Any] = {}

    def tool_plain(self, function: Callable[..., Any]) -> Callable[..., Any]:
        self.tools[function.__name__] = function
        return function

    def tool_object(self, function: Callable[..., Any]) -> Callable[..., Any]:
        self.tools[function.__name__] = Kept(function)
        return function


class Kept:
    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function


@pytest.mark.parametrize("register", ["tool_plain", "tool_object"])
@pytest.mark.parametrize("options", [None, {"name": "other"}])
def test_a_registered_function_is_told(register: str, options: dict[str, Any] | None) -> None:
    agent = Agent()
    guard = guarded_tool if options is None else guarded_tool(**options)
    decorate: Callable[[Any], Any] = getattr(agent, register)
    with pytest.warns(LateGuardWarning, match="next to its `def`"):

        @guard
        @decorate
        def pay(n: int) -> int:
            return n


def test_a_method_that_was_registered_is_told() -> None:
    agent = Agent()
    with pytest.warns(LateGuardWarning, match="pay: "):

        class Bank:
            @guarded_tool
            @agent.tool_plain
            def pay(self, n: int) -> int:
                return n


def later(n: int) -> int:
    """Guarded by a call, long after its definition."""
    return n


def test_a_guard_in_time_says_nothing() -> None:
    agent = Agent()

    with warnings.catch_warnings():
        warnings.simplefilter("error")

        @agent.tool_plain
        @guarded_tool
        def pay(n: int) -> int:
            return n

        @guarded_tool(name="again")
        @passed_on
        def wrapped(n: int) -> int:
            return wrapped(n - 1) if n else 0

        class Bank:
            @guarded_tool
            def pay(self, n: int) -> int:
                return n

            @guarded_tool(name="x")
            @staticmethod
            def rate(n: int) -> int:
                return n

            @classmethod
            @guarded_tool
            def open(cls, n: int) -> int:
                return n

        guarded_tool(later)
        guarded_tool(name="later_too")(later)
        assert wrapped(2) == 0
