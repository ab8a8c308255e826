"""A class whose methods of every kind are guarded."""

from __future__ import annotations

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
