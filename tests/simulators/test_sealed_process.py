"""What a sandboxed body changes for the whole process: prevented, put back, or named."""

from __future__ import annotations

import asyncio
import decimal
import os
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from helpers.simulators import call, fork, play

from artis_sdk.errors import SimulationError
from artis_sdk.simulators import SandboxSimulator
from artis_sdk.tools import Toolset

SANDBOX = SandboxSimulator()


# --- what holds for the whole process -------------------------------------------------------------

COUNT = 0
CACHE: dict[str, int] = {}


class Leaks:
    total = 0
    seen: ClassVar[list[str]] = []

    def __init__(self) -> None:
        self.posts: list[dict[str, Any]] = []

    def post(self, text: str, mentions: list[str] = []) -> list[str]:  # noqa: B006
        self.posts.append({"text": text, "mentions": mentions})
        mentions.append(text)
        return mentions

    def tell(self, text: str, *, tags: dict[str, int] = {}) -> dict[str, int]:  # noqa: B006
        tags[text] = tags.get(text, 0) + 1
        return tags

    def inner(self, text: str) -> list[str]:
        return Leaks.post(self, text)

    def class_attribute(self) -> None:
        Leaks.total += 1

    def class_list(self) -> None:
        self.seen.append("x")

    def module_global(self) -> None:
        global COUNT
        COUNT += 1

    def module_cache(self) -> None:
        CACHE["x"] = 1

    def environment(self) -> None:
        os.environ["ARTIS_TEST_LEAK"] = "1"

    def precision(self, digits: int) -> str:
        before = decimal.getcontext().prec
        decimal.getcontext().prec = digits
        return f"{before} {decimal.Decimal(1) / 3}"

    def mp_precision(self, digits: int) -> int:
        import mpmath  # type: ignore[import-untyped]

        before: int = mpmath.mp.dps
        mpmath.mp.dps = digits
        return before


@pytest.fixture
def leaks() -> Iterator[Leaks]:
    global COUNT
    yield Leaks()
    COUNT = Leaks.total = 0
    CACHE.clear()
    Leaks.seen.clear()
    os.environ.pop("ARTIS_TEST_LEAK", None)
    assert Leaks.post.__defaults__ == ([],)
    assert Leaks.tell.__kwdefaults__ == {"tags": {}}


async def test_attempts_have_mutable_defaults_of_their_own(leaks: Leaks) -> None:
    tools = Toolset.from_object(leaks, include=["post", "tell"])
    for _ in range(2):
        history = await play(
            fork(SANDBOX, tools), [call("post", text="a"), call("post", text="b"), call("tell", text="a")]
        )
        # In one attempt it is as in the real code: the default is one list for all calls.
        assert [s.outcome.value for s in history] == [["a"], ["a", "b"], {"a": 1}]
    assert leaks.post("real") == ["real"]
    Leaks.post.__defaults__[0].clear()  # type: ignore[index]


async def test_a_default_changed_deeper_inside_is_reported_and_put_back(leaks: Leaks) -> None:
    tools = Toolset.from_object(leaks, include=["post", "inner"])
    with pytest.raises(SimulationError, match=r"the default of mentions in Leaks\.post"):
        await fork(SANDBOX, tools).predict(call("inner", text="x"), None, ())
    assert Leaks.post.__defaults__ == ([],)
    several = [fork(SANDBOX, tools).predict(call("inner", text="x"), None, ()) for _ in range(5)]
    assert all(isinstance(e, SimulationError) for e in await asyncio.gather(*several, return_exceptions=True))
    assert Leaks.post.__defaults__ == ([],)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("class_attribute", "Leaks.total"),
        ("class_list", "Leaks.seen"),
        ("module_global", f"{__name__}.COUNT"),
        ("module_cache", f"{__name__}.CACHE"),
        ("environment", "os.environ['ARTIS_TEST_LEAK']"),
    ],
)
async def test_what_changed_for_the_whole_process_is_named(leaks: Leaks, name: str, place: str) -> None:
    tools = Toolset.from_object(leaks)
    with pytest.raises(SimulationError) as caught:
        await fork(SANDBOX, tools).predict(call(name), None, ())
    assert f"{name}: " in str(caught.value)
    assert place in str(caught.value)
    assert "ARTIS_TEST_LEAK" not in os.environ
    CACHE.clear()
    simulator = SandboxSimulator(share=[place], allow=["os.putenv"])
    assert (await fork(simulator, tools).predict(call(name), None, ())).ok


async def test_each_attempt_has_a_precision_of_its_own(leaks: Leaks) -> None:
    import mpmath

    tools = Toolset.from_object(leaks)
    before, bits = decimal.getcontext().prec, mpmath.mp.prec
    for _ in range(2):
        history = await play(
            fork(SANDBOX, tools),
            [call("precision", digits=5), call("precision", digits=3), call("mp_precision", digits=50)],
        )
        assert [s.outcome.value for s in history] == [f"{before} 0.33333", "5 0.333", mpmath.mp.dps]
    assert (decimal.getcontext().prec, mpmath.mp.prec) == (before, bits)
    attempts = [fork(SANDBOX, tools) for _ in range(4)]
    await asyncio.gather(*(a.predict(call("mp_precision", digits=99), None, ()) for a in attempts))
    assert mpmath.mp.prec == bits
