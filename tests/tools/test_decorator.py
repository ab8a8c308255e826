"""Outside every session a guarded function is the plain function."""

from __future__ import annotations

import asyncio
import copy
import functools
import inspect
import pickle
import sys
import traceback
import typing
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from helpers.decorated import Base

from artis_sdk.errors import ToolDefinitionError
from artis_sdk.records import Risk
from artis_sdk.tools import GuardedTool, Toolset, guarded_tool
from artis_sdk.tools.world import firewall

# --- identity ---------------------------------------------------------------------------------


def plain_pay(account: str, amount: int = 1) -> str:
    """Pay."""
    if amount < 0:
        raise FAILURE
    return account * amount


FAILURE = ValueError("negative")
DEFAULT: list[int] = []


@guarded_tool
def pay(account: str, amount: int = 1) -> str:
    """Pay."""
    if amount < 0:
        raise FAILURE
    return account * amount


@guarded_tool(name="wait_for", risk=Risk.READ_ONLY, timeout=2.5)
async def wait(value: object, other: list[int] = DEFAULT) -> object:
    if value is FAILURE:
        raise FAILURE
    return value, other


def test_looks_like_the_function() -> None:
    assert pay.__name__ == "pay"
    assert pay.__qualname__ == "pay"
    assert pay.__doc__ == "Pay."
    assert pay.__module__ == __name__
    assert pay.__annotations__ == plain_pay.__annotations__
    assert typing.get_type_hints(pay) == {"account": str, "amount": int, "return": str}
    assert pay.__globals__ is globals(), "where some frameworks look annotations up that are texts"
    assert inspect.isfunction(pay)
    assert pickle.loads(pickle.dumps(pay)) is pay


async def test_values_and_exceptions_are_the_very_objects() -> None:
    value = object()
    assert await wait(value) == (value, DEFAULT)
    assert (await wait(value))[1] is DEFAULT  # type: ignore[index]
    with pytest.raises(ValueError) as caught:
        pay("a", -1)
    assert caught.value is FAILURE
    with pytest.raises(ValueError) as caught:
        await wait(FAILURE)
    assert caught.value is FAILURE


def test_a_wrong_call_says_the_same() -> None:
    with pytest.raises(TypeError) as ours:
        pay()  # type: ignore[call-arg]
    with pytest.raises(TypeError) as theirs:
        plain_pay()  # type: ignore[call-arg]
    assert str(ours.value) == str(theirs.value).replace("plain_pay", "pay")


def test_a_traceback_shows_the_function() -> None:
    FAILURE.__traceback__ = None
    try:
        pay("a", -1)
    except ValueError as error:
        frames = traceback.extract_tb(error.__traceback__)
    assert [frame.filename for frame in frames] == [__file__, "<guarded tool>", __file__]
    assert frames[-1].line == "raise FAILURE"


def test_carries_its_tool() -> None:
    tool = typing.cast(Any, wait).__guarded_tool__
    assert isinstance(tool, GuardedTool)
    assert (tool.name, tool.risk, tool.timeout, tool.is_async) == ("wait_for", Risk.READ_ONLY, 2.5, True)
    assert typing.cast(Any, pay).__guarded_tool__.risk is Risk.IRREVERSIBLE
    assert repr(tool) == "<guarded tool wait_for, read_only>"


def test_source_hash_is_of_the_source() -> None:
    first, second = (typing.cast(Any, f).__guarded_tool__.source_hash for f in (pay, wait))
    assert len(first) == 64
    assert first != second
    scope: dict[str, Any] = {}
    exec("def no_source(): ...", scope)
    assert typing.cast(Any, guarded_tool(scope["no_source"])).__guarded_tool__.source_hash is None


@pytest.mark.parametrize("now", ["(\n(\n", "'''pay\n"])
def test_a_tool_has_no_source_hash_where_its_file_is_another_by_now(now: str, tmp_path: Path) -> None:
    file = tmp_path / "tools.py"
    file.write_text(now)
    scope: dict[str, Any] = {}
    exec(compile("def pay() -> None: ...", str(file), "exec"), scope)
    assert typing.cast(Any, guarded_tool(scope["pay"])).__guarded_tool__.source_hash is None


# --- methods ----------------------------------------------------------------------------------


class Derived(Base):
    factor = 3

    def method(self, n: int) -> int:
        return super().method(n) + 1


async def test_methods_on_classes_and_subclasses() -> None:
    base, derived = Base(), Derived()
    assert (base.method(5), derived.method(5), Base.method(derived, 5)) == (10, 16, 15)
    assert await derived.slow(5) == 15
    for owner in (Base, base):
        assert (owner.static_outside(5), owner.static_inside(5)) == (5, 5)
        assert (owner.class_outside(5), owner.class_inside(5)) == (10, 10)
    assert (derived.class_outside(5), Derived.class_inside(5)) == (15, 15)


@pytest.mark.parametrize(
    "name", ["method", "static_outside", "static_inside", "class_outside", "class_inside"]
)
def test_self_and_cls_are_no_parameters_of_the_tool(name: str) -> None:
    tool = Toolset(getattr(Derived(), name))[name]
    assert list(tool.schema["properties"]) == ["n"]
    assert tool(4) == getattr(Derived(), name)(4)


def test_a_method_needs_an_object() -> None:
    with pytest.raises(ToolDefinitionError, match=r"from an object: Toolset\(obj\.method\)"):
        Toolset(Base.method)


def test_a_tool_looks_like_the_bound_method() -> None:
    tool = Toolset(Base().slow)["slow"]
    assert (tool.__name__, tool.__doc__) == ("slow", None)
    assert inspect.signature(tool) == inspect.signature(Base().slow)
    assert typing.get_type_hints(tool) == {"n": int, "return": int}
    looks_async = inspect if sys.version_info >= (3, 12) else asyncio
    assert looks_async.iscoroutinefunction(tool)
    assert not looks_async.iscoroutinefunction(Toolset(Base().method)["method"])


def test_a_copy_of_a_tool_belongs_to_a_copy_of_its_object() -> None:
    base = Base()
    tool = Toolset(base.method)["method"]
    assert tool(5) == 10
    copied = copy.deepcopy(tool)
    copied.owner.factor = 7  # type: ignore[attr-defined]
    assert (copied(5), tool(5)) == (35, 10)


# --- what cannot be guarded -------------------------------------------------------------------


def generator() -> Iterator[int]:
    yield 1


async def async_generator() -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (generator, "must return its finished result"),
        (async_generator, "must return its finished result"),
        (Base, "from_object"),
        (functools.partial(plain_pay, "a"), "wrap the call"),
        (3, "wrap the call"),
        (pay, "already guarded"),
    ],
)
def test_what_is_no_tool_is_refused(wrong: Any, message: str) -> None:
    with pytest.raises(ToolDefinitionError, match=message):
        guarded_tool(wrong)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"timeout": 0}, "above zero"),
        ({"idempotency_key": "nope"}, "not a parameter"),
        ({"failures": int}, "derives from Exception"),
        ({"failures": [ValueError, 3]}, "neither an exception class nor a callable"),
        ({"risk": "mild"}, "Risk.REVERSIBLE or Risk.IRREVERSIBLE, not 'mild'"),
        ({"effect": "read"}, "no option effect; it has risk, timeout, "),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ToolDefinitionError, match=message):
        guarded_tool(**settings)(plain_pay)


def test_a_key_that_only_goes_by_position_is_refused() -> None:
    def before(key: str, /) -> None: ...

    def spread(key: str, *more: str) -> None: ...

    for function in (before, spread):
        with pytest.raises(ToolDefinitionError, match="by name"):
            guarded_tool(idempotency_key="key")(function)


def test_another_decorator_on_top_is_refused_by_a_toolset() -> None:
    @functools.wraps(pay)
    def logged(*args: Any) -> Any:
        return pay(*args)

    with pytest.raises(ToolDefinitionError, match="put it below"):
        Toolset(logged)


# --- cost -------------------------------------------------------------------------------------


def entered(statement: Callable[[], object]) -> list[str]:
    """Names of the functions, Python's and C's, that a call enters."""
    names: list[str] = []

    def note(frame: FrameType, event: str, which: Any) -> None:
        if event in ("call", "c_call"):
            names.append(frame.f_code.co_name if event == "call" else which.__qualname__)

    sys.setprofile(note)
    try:
        statement()
    finally:
        sys.setprofile(None)
    return names[:-1]  # without the end of the count itself


def test_a_call_outside_sessions_costs_next_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its time is for `benchmarks/call.py`; here is what it does: one wrapper, one look at the context."""
    # The test runner's own threads may have run during a rehearsal of another test.
    monkeypatch.setattr(firewall, "active", False)

    def plain(n: int) -> int:
        return n

    guarded = guarded_tool(plain)
    assert entered(functools.partial(guarded, 1)) == ["call", "ContextVar.get", "plain"]


def test_decorating_builds_no_schema() -> None:
    def plain(n: int) -> int:
        return n

    assert "shape" not in vars(typing.cast(Any, guarded_tool(plain)).__guarded_tool__._binding.code)
