"""Objects of other people's classes: what is said of each method, and what is never run while collecting."""

from __future__ import annotations

import asyncio
import copy
import inspect
from functools import cached_property, partialmethod, singledispatchmethod
from pathlib import Path
from typing import Any

import pytest

from artis_sdk import Direct, Risk, Session, Toolset
from artis_sdk.backends import ScriptedBackend
from artis_sdk.commit import NotExecuted
from artis_sdk.errors import CommitRefused, ConfigurationError, ToolDefinitionError, UnknownOutcome
from artis_sdk.records import Outcome, Provenance, ToolCall
from artis_sdk.tools import GuardedTool, guarded_tool
from artis_sdk.tools.definition import MethodOptions


class Declined(Exception):
    """No money."""


class Computed:
    """A descriptor as web frameworks have them: computes once, then stands aside."""

    def __init__(self, function: Any) -> None:
        self.function = function

    def __get__(self, obj: Any, owner: Any = None) -> Any:
        return self if obj is None else self.function(obj)


class Till:
    """Somebody else's class."""

    def __init__(self) -> None:
        self.ran: list[Any] = []
        self.keys: list[str] = []

    @cached_property
    def grid(self) -> int:
        """Costs a lot."""
        self.ran.append("grid")
        return 1

    @property
    def balance(self) -> int:
        self.ran.append("balance")
        raise RuntimeError("the bank is closed")

    @Computed
    def total(self) -> int:
        self.ran.append("total")
        return 2

    def charge(self, to: str, amount: int, key: str = "") -> int:
        """Charge.

        Args:
            to: whom.
            amount: cents.
        """
        self.ran.append((to, amount))
        self.keys.append(key)
        if amount > 100:
            raise Declined("too much")
        return amount

    async def send(self, to: str, *, text: str = "") -> str:
        """Send."""
        self.ran.append(("send", to, text))
        return text

    small = partialmethod(charge, amount=5)
    to_ann = partialmethod(charge, "ann")
    greet = partialmethod(send, text="hello")

    @singledispatchmethod
    def show(self, value: Any) -> str:
        """Show."""
        return str(value)

    @staticmethod
    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    @classmethod
    def named(cls) -> str:
        """Name."""
        return cls.__name__

    @guarded_tool(risk=Risk.READ_ONLY)
    def look(self) -> int:
        """Look."""
        return len(self.ran)


METHODS = {"charge", "send", "small", "to_ann", "greet", "show", "add", "named", "look"}


def test_nothing_of_the_class_runs_while_its_methods_are_collected() -> None:
    till = Till()
    tools = Toolset.from_object(till)
    assert set(tools.names) == METHODS
    assert tools.specs
    assert till.ran == []
    assert "grid" not in vars(till)


@pytest.mark.parametrize("name", ["grid", "balance", "total", "ran", "nothing"])
@pytest.mark.parametrize("where", ["include", "exclude", "tools", "risks"])
def test_what_is_no_method_is_no_name_here(name: str, where: str) -> None:
    till = Till()
    given: Any = {"include": [name], "exclude": [name], "tools": {name: {}}, "risks": {name: Risk.READ_ONLY}}
    with pytest.raises(ToolDefinitionError, match=f"no such function or method: {name}"):
        Toolset.from_object(till, **{where: given[where]})
    assert till.ran == []


def test_a_tool_has_what_a_function_has() -> None:
    """Frameworks read it when they register an entry of `tools`."""
    for tool in Toolset.from_object(Till()):
        assert tool.__name__ == tool.name
        assert tool.__qualname__ == f"Till.{tool.name}"
        assert tool.__module__ == __name__
        assert tool.__doc__ == tool.__wrapped__.__doc__
        assert inspect.signature(tool) == inspect.signature(tool.__wrapped__)
        assert copy.copy(tool).__qualname__ == tool.__qualname__
    assert inspect.getmodule(GuardedTool) is not inspect.getmodule(tool)


async def test_a_partial_method_is_a_tool_of_its_own_signature() -> None:
    till = Till()
    tools = Toolset.from_object(till)
    small, to_ann, greet = (tools[name].spec for name in ("small", "to_ann", "greet"))
    assert small.parameters["required"] == ["to"]
    assert small.parameters["properties"]["amount"] == {
        "type": "integer",
        "default": 5,
        "description": "cents.",
    }
    assert set(to_ann.parameters["properties"]) == {"amount", "key"}
    assert (small.description, greet.description) == ("Charge.", "Send.")
    assert inspect.iscoroutinefunction(tools["greet"].function)
    assert tools["small"]("bob") == till.small("bob") == 5
    assert tools["to_ann"](7) == 7
    assert await tools["greet"]("eve") == "hello"
    assert till.ran == [("bob", 5), ("bob", 5), ("ann", 7), ("send", "eve", "hello")]


class Odd:
    """Partial methods of what is no plain function."""

    @classmethod
    def named(cls, suffix: str) -> str:
        return cls.__name__ + suffix

    loud = partialmethod(named, "!")


def test_a_partial_method_of_no_plain_function_is_refused_by_name() -> None:
    with pytest.raises(ToolDefinitionError, match=r"loud is a partialmethod .*def loud\(self"):
        Toolset.from_object(Odd())
    assert Toolset.from_object(Odd(), exclude=["loud"]).names == ("named",)


def look_it_up(call: ToolCall, key: str | None) -> Outcome | NotExecuted:
    return Outcome.success(f"looked up {key}", Provenance.REAL)


OPTIONS: MethodOptions = {
    "risk": Risk.REVERSIBLE,
    "timeout": 3.0,
    "idempotency_key": "key",
    "failures": Declined,
    "not_executed": Declined,
    "reconcile": look_it_up,
}


def test_all_that_a_function_can_be_told_is_told_of_a_method() -> None:
    tools = Toolset.from_object(
        Till(),
        tools={"charge": OPTIONS, "send": {"timeout": 1}},
        default_risk=Risk.READ_ONLY,
        failures=KeyError,
    )
    charge, send, add = (tools[name] for name in ("charge", "send", "add"))
    assert (charge.risk, charge.timeout, charge.idempotency_key) == (Risk.REVERSIBLE, 3.0, "key")
    assert charge.reconcile is look_it_up
    assert "key" not in charge.spec.parameters["properties"]
    assert charge.failure_type(Declined("no")) == "Declined"
    assert (send.timeout, send.risk) == (1, Risk.READ_ONLY)
    assert (add.timeout, add.risk) == (None, Risk.READ_ONLY)


@pytest.mark.parametrize(
    ("tools", "more", "says"),
    [
        ({"chrage": {}}, {}, "no such function or method: chrage"),
        ({"charge": {"reconsile": look_it_up}}, {}, "did you mean 'reconcile'"),
        ({"charge": {"colour": 1}}, {}, "the options are risk, timeout"),
        ({"charge": {"timeout": -1}}, {}, "charge: timeout must be a number of seconds"),
        ({"charge": {"idempotency_key": "nope"}}, {}, "charge: idempotency_key names 'nope'"),
        ({"charge": {"failures": 42}}, {}, "charge: failures=42"),
        ({"charge": {"risk": Risk.READ_ONLY}}, {"risks": {"charge": Risk.READ_ONLY}}, "set twice"),
        ({"look": {"timeout": 1}}, {}, "look is decorated .* set timeout there"),
    ],
)
def test_a_wrong_name_or_option_is_an_error_that_says_which(
    tools: Any, more: dict[str, Any], says: str
) -> None:
    with pytest.raises(ToolDefinitionError, match=says):
        Toolset.from_object(Till(), tools=tools, **more)


def test_a_decorated_method_takes_a_risk() -> None:
    tools = Toolset.from_object(Till(), tools={"look": {"risk": Risk.REVERSIBLE}})
    assert tools["look"].risk is Risk.REVERSIBLE


async def test_an_unknown_call_of_somebody_elses_object_is_reconciled_and_resumed(tmp_path: Path) -> None:
    class Slow(Till):
        async def wait(self, to: str, key: str = "") -> str:
            """Wait."""
            self.keys.append(key)
            await asyncio.sleep(30)
            return to

    till = Slow()
    tools = Toolset.from_object(
        till, tools={"wait": {"timeout": 0.05, "idempotency_key": "key", "reconcile": look_it_up}}
    )

    def call(tool: str, **arguments: Any) -> ToolCall:
        return ToolCall(tool=tool, arguments=arguments)

    script = ScriptedBackend([[call("wait", to="ann")], "Done."])
    async with Session(agent=script, tools=tools, strategy=Direct(), journal=tmp_path / "j.db") as session:
        plan = await session.rehearse("wait")
        with pytest.raises(UnknownOutcome):
            await session.commit(plan)
        with pytest.raises(CommitRefused, match="artis recover"):
            await session.commit(plan, resume=True)
        (recovered,) = await session.recover()
        assert recovered.outcome is not None
        assert recovered.outcome.value == f"looked up {till.keys[0]}"
        result = await session.commit(plan, resume=True)
    assert result.answer == "Done."
    assert len(till.keys) == 1


async def test_an_own_agent_cannot_reach_what_a_partial_method_fills_in(tmp_path: Path) -> None:
    till = Till()

    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        return str(till.small("bob"))  # by its name, past the tools

    def session(tools: Toolset) -> Session:
        return Session(agent=agent, tools=tools, strategy=Direct(), journal=tmp_path / "j.db")

    with pytest.raises(
        ConfigurationError, match=r"small is a partial method of Till\.charge.*make charge a tool"
    ):
        async with session(Toolset.from_object(till, include=["small"])):
            pass
    async with session(Toolset.from_object(till, include=["small", "charge"])) as s:
        result = await s.run("charge")
    assert result.answer == "5"
    assert [made.call.tool for made in result.calls] == ["charge"]


def test_a_class_in_an_objects_place_is_refused() -> None:
    """Its methods would be those of `type`: one tool named `mro`, and none of the class's own."""
    with pytest.raises(ToolDefinitionError, match="Till is a class; pass an object of it"):
        Toolset.from_object(Till)


@pytest.mark.parametrize("option", ["include", "exclude"])
def test_one_name_in_the_place_of_several_is_not_taken_for_its_letters(option: str) -> None:
    class Short:
        def m(self) -> int:
            """One letter, which is a method, too."""
            return 1

    given: dict[str, Any] = {option: "m"}
    with pytest.raises(ToolDefinitionError, match=rf"{option} must be a collection of names.*\['m'\]"):
        Toolset.from_object(Short(), **given)


def test_a_risk_in_the_place_of_a_methods_options_is_told_where_it_stands() -> None:
    class Reader:
        def look(self) -> int:
            """Look."""
            return 1

    options: Any = {"look": Risk.READ_ONLY}
    with pytest.raises(ToolDefinitionError, match=r"'look': \{'risk': Risk\.READ_ONLY\}"):
        Toolset.from_object(Reader(), tools=options)
    with pytest.raises(ToolDefinitionError, match=r"look: timeout must be a number of seconds.*'20'"):
        Toolset.from_object(Reader(), tools={"look": {"timeout": "20"}})  # type: ignore[typeddict-item]


def test_a_method_that_is_a_generator_is_refused_with_the_option_that_leaves_it_out() -> None:
    class Reader:
        def look(self) -> int:
            """Look."""
            return 1

        def rows(self) -> Any:
            """Rows."""
            yield 1

    with pytest.raises(ToolDefinitionError, match=r"rows returns a generator.*exclude="):
        Toolset.from_object(Reader())
    assert Toolset.from_object(Reader(), exclude=["rows"]).names == ("look",)
