"""`capture`: real calls of guarded tools are recorded, and nothing else about them changes."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from helpers.captured import look, pay
from helpers.logs import file_bytes
from pydantic import BaseModel, SecretBytes, SecretStr

import artis_sdk
from artis_sdk import guarded_tool
from artis_sdk.logs.capture import capture
from artis_sdk.records import Provenance, Risk
from artis_sdk.tools.world import firewall


class Bank:
    def __init__(self) -> None:
        self.calls = 0

    @guarded_tool
    def count(self, by: int = 1) -> int:
        """Count calls."""
        self.calls += by
        return self.calls


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """No test leaves a capture open."""
    yield
    assert firewall.observers == ()


async def test_calls_are_recorded_as_they_were_made(tmp_path: Path) -> None:
    before = time.time()
    async with artis_sdk.capture(tmp_path / "calls.db") as captured:
        assert pay("ann", 5, note="hi") == {"to": "ann", "paid": 5}
        assert await look(what="sky") == "seen sky"
        assert Bank().count(3) == 3
        with pytest.raises(ValueError, match="amount must be positive"):
            pay("bob", -1)
        captured.flush()
        made = list(captured.log.records())
    pay("eve", 7)  # after the end: not recorded
    assert [(one.call.tool, one.call.arguments) for one in made] == [
        ("pay", {"to": "ann", "amount": 5, "note": "hi"}),
        ("look", {"what": "sky"}),
        ("count", {"by": 3}),
        ("pay", {"to": "bob", "amount": -1}),
    ]
    assert [one.outcome.value for one in made] == [{"to": "ann", "paid": 5}, "seen sky", 3, None]
    failed = made[3].outcome
    assert (failed.ok, failed.failure_type, failed.message, failed.raised) == (
        False,
        "ValueError",
        "amount must be positive",
        True,
    )
    for one in made:
        assert one.outcome.provenance is Provenance.REAL
        assert before <= one.at <= time.time()
        assert one.outcome.duration is not None
        assert 0 <= one.outcome.duration < 5
        assert one.source_hash is not None
        assert len(one.source_hash) == 64
        assert (one.task, one.state, one.history, one.predicted) == (None, None, (), None)
        assert one.session == made[0].session  # one asyncio task made them all
    assert (made[0].risk, made[1].risk) == (Risk.REVERSIBLE, Risk.IRREVERSIBLE)
    assert made[0].spec.description == "Pay somebody."


class Answer:
    def __init__(self, code: int) -> None:
        self.code = code


def test_failures_that_are_returned_have_the_tools_type(tmp_path: Path) -> None:
    def by_code(result: Any) -> str | None:
        return f"HTTP {result.code}" if isinstance(result, Answer) and result.code >= 400 else None

    @guarded_tool(failures=by_code)
    def fetch(code: int) -> Answer:
        """Fetch."""
        return Answer(code)

    with capture(tmp_path / "calls.db") as captured:
        fetch(200)
        fetch(404)
        ok, failed = captured.log.records()
    assert (ok.outcome.ok, ok.outcome.type, ok.outcome.value) == (True, "success", {"code": 200})
    assert (failed.outcome.ok, failed.outcome.type, failed.outcome.raised) == (False, "HTTP 404", False)


def test_later_changes_of_arguments_and_values_are_not_recorded(tmp_path: Path) -> None:
    @guarded_tool
    def fill(basket: list[str]) -> list[str]:
        """Fill a basket."""
        return basket

    basket = ["apple"]
    with capture(tmp_path / "calls.db") as captured:
        fill(basket).append("pear")
        basket.append("plum")
        (made,) = captured.log.records()
    assert made.call.arguments == {"basket": ["apple"]}
    assert made.outcome.value == ["apple"]


class Strange:
    __slots__ = ()

    def __repr__(self) -> str:
        raise KeyError("no repr")


@dataclass
class Node:
    name: str
    next: list[Node] = field(default_factory=list)


class Model(BaseModel):
    x: int


def loop() -> Node:
    node = Node("a")
    node.next.append(node)
    return node


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        (Strange(), "<Strange>"),
        (loop(), {"name": "a", "next": ["<Node>"]}),
        ({"s": Strange(), "n": 1}, {"s": "<Strange>", "n": 1}),
        (b"\xff\xfe", "data:application/octet-stream;base64,//4="),
        ("\ud800", "\\ud800"),
        (Model(x=1), {"x": 1}),
        (Node("b"), {"name": "b", "next": []}),
        ((1, {2}), [1, [2]]),
        ({1: "a", None: "b"}, {"1": "a", "None": "b"}),
        (len, "<len>"),
        (float("inf"), "Infinity"),
        (2**80, 2**80),
        (threading.Lock(), "<lock>"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_of_any_kind(tmp_path: Path, value: Any, seen: Any) -> None:
    @guarded_tool
    def echo(value: Any) -> Any:
        """Echo."""
        return value

    with capture(tmp_path / "calls.db") as captured:
        assert echo(value) is value
        (made,) = captured.log.records()
    assert made.call.arguments == {"value": seen}
    assert made.outcome.value == seen


def test_idempotency_keys_are_no_arguments(tmp_path: Path) -> None:
    @guarded_tool(idempotency_key="key")
    def send(to: str, *, key: str) -> str:
        """Send."""
        return key

    with capture(tmp_path / "calls.db") as captured:
        assert send("ann", key="k1") == "k1"
        (made,) = captured.log.records()
    assert made.call.arguments == {"to": "ann"}


def test_secrets_of_a_signature_vanish_everywhere(tmp_path: Path) -> None:
    @guarded_tool
    def enter(code: SecretStr, more: dict[str, SecretBytes]) -> dict[str, Any]:
        """Enter."""
        return {"said": code.get_secret_value(), "also": [more["a"].get_secret_value().decode()]}

    with capture(tmp_path / "calls.db") as captured:
        enter(SecretStr("xyzzy-one"), {"a": SecretBytes(b"plugh-two")})
        captured.flush()
        assert not re.search(b"xyzzy|plugh", file_bytes(tmp_path / "calls.db"))
        (made,) = captured.log.records()
    assert made.call.arguments == {"code": "**********", "more": {"a": "**********"}}
