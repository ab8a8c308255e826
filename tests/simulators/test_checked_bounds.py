"""A value that grows by holding one thing many times ends a computation soon, whatever is done with it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from artis_sdk.errors import SimulationError
from artis_sdk.records import ToolCall
from artis_sdk.simulators import Checked
from artis_sdk.tools import Toolset

SECONDS = 20


@dataclass
class Pair:
    left: Any
    right: Any


@dataclass(frozen=True)
class Fixed:
    left: Any
    right: Any


class Growing:
    """Tools that make a value of many levels of pairs, or a list of its own items."""

    def counted(self) -> int:
        made: list[Any] = [1]
        for _ in range(45):
            made = [made, made]
        return len(made)

    def returned(self) -> Any:
        made: dict[str, Any] = {"x": 1}
        for _ in range(45):
            made = {"a": made, "b": made}
        return made

    def raised(self) -> Any:
        made: list[Any] = [1]
        for _ in range(45):
            made = [made, made]
        raise ValueError(made)

    def compared(self) -> bool:
        one, other = [1], [1]
        for _ in range(45):
            one, other = [one, one], [other, other]  # type: ignore[list-item]
        return one == other

    def matched(self) -> bool:
        self.one, self.other = (1,), (1,)
        for _ in range(45):
            self.one, self.other = (self.one, self.one), (self.other, self.other)  # type: ignore[assignment]
        match self.one:
            case self.other:
                return True
        return False

    def objects(self) -> bool:
        one, other = Pair(1, 1), Pair(1, 1)
        for _ in range(45):
            one, other = Pair(one, one), Pair(other, other)
        return [one].index(other) == 0

    def object_returned(self) -> Pair:
        made = Pair(1, 1)
        for _ in range(45):
            made = Pair(made, made)
        return made

    def object_hashed(self) -> int:
        made = Fixed(1, 1)
        for _ in range(45):
            made = Fixed(made, made)
        return len({made})

    def hashed(self) -> int:
        made: Any = (1,)
        for _ in range(45):
            made = (made, made)
        return len({made: 1})

    def kept(self) -> int:
        rows: dict[Any, int] = {}
        made: Any = (1,)
        for _ in range(45):
            made = (made, made)
        rows[made] = 1
        return len(rows)

    def given(self) -> int:
        def pair(*both: Any) -> Any:
            return both

        made: Any = (1,)
        for _ in range(45):
            made = pair(made, made)
        return len({"a": 1} | {made: 2})

    def by_key(self) -> Any:
        one: Any = (1,)
        other: Any = (1,)
        for _ in range(45):
            one, other = (one, one), (other, other)
        return sorted([0, 1], key=lambda n: [one, other][n])

    def unpacked(self) -> int:
        made = [1]
        for _ in range(45):
            made = [*made, *made]
        return len(made)

    def passed(self) -> int:
        def every(*given: int) -> Any:
            return given

        made = (1,)
        for _ in range(45):
            made = every(*made, *made)
        return len(made)

    def inserted(self) -> int:
        made = [1]
        for _ in range(45):
            made[0:0] = made
        return len(made)

    def extended(self, way: str) -> Any:
        made: list[Any] = [1]
        ways: dict[str, Any] = {"iter": iter, "enumerate": enumerate, "zip": zip}
        if way in ways:
            made.extend(ways[way](made))
        elif way == "map":
            made.extend(map(str, made))
        elif way == "filter":
            made.extend(filter(None, made))
        made += zip(made, strict=False)
        return made


@pytest.fixture(autouse=True)
def limited() -> Iterator[None]:
    """A computation that does not end fails, and hangs nobody."""

    def late(*_: Any) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


ONCE = [name for name in vars(Growing) if not name.startswith("_") and name != "extended"]
WAYS = ["iter", "enumerate", "zip", "map", "filter", "none"]


@pytest.mark.parametrize(
    ("name", "arguments"), [(name, {}) for name in ONCE] + [("extended", {"way": way}) for way in WAYS]
)
async def test_what_grows_beyond_measure_is_not_told(name: str, arguments: dict[str, str]) -> None:
    tools = Toolset.from_object(Growing())
    simulator = Checked().fork(tools, None)  # type: ignore[arg-type]
    with pytest.raises(SimulationError, match="its source"):
        await simulator.predict(ToolCall(tool=name, arguments=arguments), tools.state(), ())
