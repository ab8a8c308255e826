"""Toolsets from functions, modules and objects whose classes are left alone."""

from __future__ import annotations

import copy
import logging
import re
import sqlite3
import threading
import types
from collections import UserDict
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import httpx
import jinja2
import numpy as np
import pytest

from artis_sdk.errors import ToolDefinitionError
from artis_sdk.records import Provenance, Risk
from artis_sdk.tools import Toolset, guarded_tool


class Base:
    def inherited(self, n: int) -> int:
        """From the base."""
        return n

    def hidden_later(self) -> None: ...


class Bank(Base):
    """A class that knows nothing of tools."""

    rate = 2
    Account = dict
    hidden_later = None  # type: ignore[assignment]

    def __init__(self, balance: int = 100) -> None:
        self.balance = balance
        self.accounts = {1: "a"}
        self._secret = "s"

    def deposit(self, amount: int) -> int:
        """Pay in.

        Args:
            amount: in cents
        """
        self.balance += amount
        return self.balance

    async def report(self) -> int:
        return self.balance

    @staticmethod
    def double(n: int) -> int:
        return 2 * n

    @classmethod
    def interest(cls, n: int) -> int:
        return cls.rate * n

    @guarded_tool(name="close_account", risk=Risk.REVERSIBLE)
    def close(self) -> str:
        return "closed"

    @property
    def total(self) -> int:
        raise AssertionError("a property must not be read")

    def _private(self) -> None: ...


def test_every_public_method_of_an_object_is_a_tool() -> None:
    tools = Toolset.from_object(Bank())
    assert tools.names == ("inherited", "deposit", "report", "double", "interest", "close_account")
    assert {tool.name: tool.risk for tool in tools} == dict.fromkeys(tools.names, Risk.IRREVERSIBLE) | {
        "close_account": Risk.REVERSIBLE
    }
    assert tools["deposit"].spec.description == "Pay in."
    assert tools["deposit"].schema["properties"] == {"amount": {"type": "integer", "description": "in cents"}}
    assert tools["inherited"].spec.description == "From the base."


async def test_tools_of_an_object_are_called_like_its_methods() -> None:
    bank = Bank()
    tools = Toolset.from_object(bank)
    assert tools["deposit"](5) == 105
    assert tools["deposit"](amount=5) == bank.balance == 110
    assert await tools["report"]() == 110
    assert (tools["double"](4), tools["interest"](4), tools["close_account"]()) == (8, 8, "closed")
    assert bank.deposit(1) == 111
    assert type(bank).__dict__["deposit"] is Bank.deposit  # the class is as it was


def test_owner_is_the_object_of_methods_only() -> None:
    bank = Bank()
    tools = Toolset.from_object(bank)
    owned = {tool.name for tool in tools if tool.owner is bank}
    assert owned == {"inherited", "deposit", "report", "close_account"}
    assert {tool.owner for tool in tools if tool.name not in owned} == {None}
    assert tools.owners == (bank,)


def test_the_same_method_on_another_object() -> None:
    bank = Bank()
    tool = Toolset.from_object(bank)["deposit"]
    fork = copy.deepcopy(bank)
    forked = tool.on(fork)
    assert forked(50) == 150
    assert (bank.balance, fork.balance) == (100, 150)
    assert forked.spec is tool.spec
    assert forked.owner is fork


def test_include_exclude_risks_and_prefix() -> None:
    first = Toolset.from_object(
        Bank(),
        include=["deposit", "close"],
        prefix="a_",
        risks={"close": Risk.READ_ONLY},
        default_risk=Risk.REVERSIBLE,
    )
    assert {tool.name: tool.risk for tool in first} == {
        "a_deposit": Risk.REVERSIBLE,
        "a_close_account": Risk.READ_ONLY,
    }
    second = Toolset.from_object(Bank(), exclude=["deposit", "close"], prefix="b_")
    assert (first + second).names == (
        "a_deposit",
        "a_close_account",
        "b_inherited",
        "b_report",
        "b_double",
        "b_interest",
    )


@pytest.mark.parametrize(
    "options", [{"include": ["nope"]}, {"exclude": ["nope"]}, {"risks": {"nope": Risk.READ_ONLY}}]
)
def test_a_name_that_is_no_method_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ToolDefinitionError, match=r"no such function or method: nope; there are .*deposit"):
        Toolset.from_object(Bank(), **options)


def test_failures_hold_for_every_method() -> None:
    tools = Toolset.from_object(
        Bank(), include=["deposit"], failures=lambda value: "odd" if value == 101 else None
    )
    assert tools["deposit"].outcome(101, Provenance.REAL).type == "odd"


def test_objects_of_the_standard_library_and_of_c() -> None:
    tools = Toolset.from_object(UserDict({"a": 1}), include=["get", "keys"])
    assert tools["get"]("a") == 1
    connection = sqlite3.connect(":memory:")
    cursor = Toolset.from_object(connection.cursor(), include=["close"])
    assert cursor["close"]() is None
    assert cursor["close"].schema["properties"] == {}
    connection.close()


# --- functions and modules --------------------------------------------------------------------


@guarded_tool
def decorated(n: int) -> int:
    return n


def undecorated(n: int) -> int:
    return n


def test_toolset_of_functions() -> None:
    tools = Toolset(decorated, undecorated, Bank().close)
    assert tools.names == ("decorated", "undecorated", "close_account")
    assert [tool.risk for tool in tools] == [Risk.IRREVERSIBLE, Risk.IRREVERSIBLE, Risk.REVERSIBLE]
    assert [tools["decorated"](3), tools["undecorated"](4)] == [3, 4]
    assert ("decorated" in tools, "nope" in tools, len(tools)) == (True, False, 3)
    assert tools.get("nope") is None
    assert tools.specs is tools.specs
    assert [spec.name for spec in tools.specs] == list(tools.names)


def test_from_functions_with_risks() -> None:
    tools = Toolset.from_functions(undecorated, risks={"undecorated": Risk.READ_ONLY})
    assert tools["undecorated"].risk is Risk.READ_ONLY
    assert (
        Toolset.from_functions(undecorated, default_risk=Risk.REVERSIBLE)["undecorated"].risk
        is Risk.REVERSIBLE
    )
    with pytest.raises(ToolDefinitionError, match="already guarded"):
        Toolset.from_functions(decorated)
    with pytest.raises(ToolDefinitionError, match="no such function or method: other"):
        Toolset.from_functions(undecorated, risks={"other": Risk.READ_ONLY})


def test_from_module_takes_what_is_decorated_once() -> None:
    module = types.ModuleType("module")
    vars(module).update(decorated=decorated, again=decorated, undecorated=undecorated, _private=decorated)
    assert Toolset.from_module(module).names == ("decorated",)
    with pytest.raises(ToolDefinitionError, match="module has no function decorated"):
        Toolset.from_module(types.ModuleType("module"))


def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(ToolDefinitionError, match=r"two tools are named 'deposit'.*prefix"):
        Toolset.from_object(Bank(), include=["deposit"]) + Toolset.from_object(Bank(), include=["deposit"])


# --- state ------------------------------------------------------------------------------------


def test_state_is_a_json_snapshot_of_public_attributes() -> None:
    bank = Bank()
    tools = Toolset.from_object(bank)
    before = tools.state()
    assert before == {"Bank": {"balance": 100, "accounts": {"1": "a"}}}
    bank.deposit(1)
    bank.accounts[2] = "b"
    assert before == {"Bank": {"balance": 100, "accounts": {"1": "a"}}}
    assert tools.state() == {"Bank": {"balance": 101, "accounts": {"1": "a", "2": "b"}}}


def test_state_of_several_objects_and_of_none() -> None:
    tools = Toolset.from_object(Bank(1), prefix="a_") + Toolset.from_object(
        Bank(2), prefix="b_", include=["deposit"]
    )
    assert tools.state() == {
        "Bank": {"balance": 1, "accounts": {"1": "a"}},
        "Bank_2": {"balance": 2, "accounts": {"1": "a"}},
    }
    assert Toolset(decorated).state() is None


def test_state_that_is_an_array_is_a_list() -> None:
    class Field:
        def __init__(self) -> None:
            self.grid = np.zeros(3)

        def water(self, n: int) -> int:
            return n

    assert Toolset.from_object(Field()).state() == {"Field": {"grid": [0.0, 0.0, 0.0]}}


def test_services_of_libraries_are_no_state() -> None:
    """An SQLAlchemy engine was 70 MB of state, and took ten seconds."""

    class Desk:
        def __init__(self) -> None:
            self.client = httpx.Client()
            self.logger = logging.getLogger("desk")
            self.lock = threading.Lock()
            self.options = SimpleNamespace(limit=3)
            self.parsed = jinja2.nodes.Name("total", "load", lineno=1)
            self.bank = Bank(5)

        @guarded_tool
        def count(self) -> int:
            """Count."""
            return 1

    state = Toolset.from_object(Desk()).state()
    assert state == {
        "Desk": {
            "client": "<Client>",
            "logger": "<Logger>",
            "lock": "<lock>",
            "options": {"limit": 3},
            "parsed": {"name": "total", "ctx": "load", "lineno": 1, "environment": None},
            "bank": {"balance": 5, "accounts": {"1": "a"}},
        }
    }


class Slotted:
    __slots__ = ("_hidden", "empty", "size")

    def __init__(self) -> None:
        self.size = 3
        self._hidden = 4


@dataclass
class Odd:
    """What JSON has no words for."""

    lock: Any = field(default_factory=threading.Lock)
    raw: bytes = b"\xff\xfe"
    many: set[int] = field(default_factory=lambda: {1})
    slotted: Slotted = field(default_factory=Slotted)
    function: Any = undecorated
    stream: Any = field(default_factory=lambda: iter([1]))
    myself: Any = None

    def act(self) -> None: ...


def test_state_of_odd_attributes_is_stable_and_reads_nothing() -> None:
    first, second = Odd(), Odd()
    first.myself, second.myself = first, second
    state = Toolset.from_object(first).state()
    assert state == Toolset.from_object(second).state()
    assert state == {
        "Odd": {
            "lock": "<lock>",
            "raw": "data:application/octet-stream;base64,//4=",
            "many": [1],
            "slotted": {"size": 3},
            "function": "<undecorated>",
            "stream": "<list_iterator>",
            "myself": "<Odd>",
        }
    }
    assert list(first.stream) == [1]


def bare() -> int:
    """One."""
    return 1


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Toolset([bare]), "Toolset(*tools), not a list"),  # type: ignore[arg-type]
        (lambda: Toolset(Toolset(bare)), "Toolset(*tools), not a Toolset"),  # type: ignore[arg-type]
        (lambda: Toolset(Slotted()), "methods of an object are guarded by Toolset.from_object"),  # type: ignore[arg-type]
        (lambda: guarded_tool(Risk.READ_ONLY), "by its name: @guarded_tool(risk=Risk.READ_ONLY)"),  # type: ignore[call-overload]
        (lambda: guarded_tool(failures="ValueError")(bare), "failures='ValueError' is neither"),  # type: ignore[arg-type]
    ],
)
def test_what_is_passed_in_the_wrong_place_is_told_with_the_right_one(make: Any, said: str) -> None:
    with pytest.raises(ToolDefinitionError, match=re.escape(said)):
        make()


def test_a_module_whose_tools_are_in_a_toolset_is_told_its_name() -> None:
    module = types.ModuleType("bank")
    vars(module)["tools"] = Toolset.from_object(Base(), include=["inherited"])
    with pytest.raises(ToolDefinitionError, match=r"name its Toolset: bank:tools$"):
        Toolset.from_module(module)
