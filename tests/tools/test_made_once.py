"""Schemas of methods are made once, and made again when the method is another one by then."""

from __future__ import annotations

import gc
from functools import wraps
from typing import Any
from weakref import ref

import pytest

from artis_sdk.tools import Toolset
from artis_sdk.tools import schema as schemas
from artis_sdk.tools.made_once import made_once


def service() -> type[Any]:
    class Service:
        def pay(self, to: str, amount: int = 3, *, memo: str = "") -> dict[str, Any]:
            """Send money."""
            return {"to": to}

    return Service


def spec_of(made: type[Any]) -> Any:
    return next(iter(Toolset.from_object(made()))).spec


def test_two_objects_of_a_class_cost_one_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    real = schemas.Shape.__init__

    def counted(self: Any, tool: str, *more: Any) -> None:
        made.append(tool)
        real(self, tool, *more)

    monkeypatch.setattr(schemas.Shape, "__init__", counted)
    kind = service()
    first, second = spec_of(kind), spec_of(kind)
    assert first == second
    assert made == ["pay"]


def test_what_a_schema_came_from_is_seen_when_it_changes() -> None:
    kind = service()
    pay: Any = kind.pay
    assert spec_of(kind).description == "Send money."
    pay.__doc__ = "Send euros."
    assert spec_of(kind).description == "Send euros."
    pay.__defaults__ = (7,)
    assert spec_of(kind).parameters["properties"]["amount"]["default"] == 7
    pay.__kwdefaults__["memo"] = "rent"
    assert spec_of(kind).parameters["properties"]["memo"]["default"] == "rent"
    pay.__annotations__["amount"] = "float"
    assert spec_of(kind).parameters["properties"]["amount"]["type"] == "number"
    pay.__wrapped__ = lambda self, to: None
    assert list(spec_of(kind).parameters["properties"]) == ["to"]


def test_a_mutated_schema_stays_with_its_toolset() -> None:
    kind = service()
    spec_of(kind).parameters["properties"].clear()
    assert set(spec_of(kind).parameters["properties"]) == {"to", "amount", "memo"}


def test_nothing_outlives_its_function() -> None:
    kind = service()
    spec_of(kind)
    gone = ref(kind.pay)
    del kind
    gc.collect()
    assert gone() is None


def test_a_function_that_wraps_another_is_read_each_time() -> None:
    def inner(to: str) -> None: ...

    @wraps(inner)
    def outer(*args: Any) -> None: ...

    made = [made_once(outer, "key", object) for _ in range(2)]
    assert made[0] is not made[1]
