"""A class whose methods of every kind are guarded, and a decorator that guards nothing."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from artis_sdk.tools import guarded_tool


class Base:
    factor = 2

    @guarded_tool
    def method(self, n: int) -> int:
        return self.factor * n

    @guarded_tool
    async def slow(self, n: int) -> int:
        return self.factor * n

    @staticmethod
    @guarded_tool
    def static_outside(n: int) -> int:
        return n

    @guarded_tool
    @staticmethod
    def static_inside(n: int) -> int:
        return n

    @classmethod
    @guarded_tool
    def class_outside(cls, n: int) -> int:
        return cls.factor * n

    @guarded_tool
    @classmethod
    def class_inside(cls, n: int) -> int:
        return cls.factor * n


def passed_on(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator as libraries have them: every function below it has the code of one wrapper."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper
