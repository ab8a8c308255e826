"""Whether an object has the members of a Protocol."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import pytest

from artis_sdk.records.fitting import fits


@runtime_checkable
class Named(Protocol):
    """With a field and a method."""

    name: str

    def say(self) -> str: ...


class Whole:
    name = "whole"

    def say(self) -> str:
        return self.name


class Part:
    name = "part"


class Silenced(Whole):
    say = None  # type: ignore[assignment]


class Declared(Named):
    """A subclass, whose field nobody has set."""

    def say(self) -> str:
        return ""


def declared() -> Named:
    return Declared()  # type: ignore[abstract]


def filled(say: Any) -> Part:
    part = Part()
    part.say = say  # type: ignore[attr-defined]
    return part


@pytest.mark.parametrize(
    "value",
    [Whole(), Part(), Silenced(), declared(), filled(lambda: ""), filled(None), None, 1, Whole, Named],
)
def test_an_object_fits_where_isinstance_says_so(value: object) -> None:
    assert fits(value, Named) is isinstance(value, Named)


def test_what_an_object_was_given_later_counts() -> None:
    part = Part()
    assert not fits(part, Named)
    part.say = lambda: "now"  # type: ignore[attr-defined]
    assert fits(part, Named)
