"""Computing an outcome runs no code of the application, reads only the logged state, and soon ends."""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType
from typing import Any

import pytest
from helpers.checked_shop import CALLS, Item, OutOfStock, Shelf, Shop, make_shop, real, twice

from artis_sdk.errors import SimulationError
from artis_sdk.evals.bench.bfcl import guard, load_tasks, parse_ground_truth, restored
from artis_sdk.records import History, Step, ToolCall
from artis_sdk.records.outcome_type import outcome_type
from artis_sdk.simulators import Checked
from artis_sdk.tools import Toolset
from artis_sdk.tools.source_checks.code import nested_code

RUN: list[str] = []


class Loud(type):
    def __eq__(cls, other: object) -> bool:
        RUN.append("metaclass ==")
        return True

    __hash__ = type.__hash__

    def __call__(cls, *args: Any) -> Any:
        RUN.append("metaclass call")


class Trap(metaclass=Loud):
    pass


class Liar:  # its class is a lie
    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        RUN.append("__class__")
        return dict

    def __getattr__(self, name: str) -> Any:
        RUN.append(name)

    def __eq__(self, other: object) -> bool:
        RUN.append("==")
        return True

    __hash__ = object.__hash__


LIAR = Liar()


class Plain:
    pass


class Tripwire:
    """Tools whose code leaves a trace wherever it runs."""

    def __init__(self) -> None:
        self.count = 1
        self.names = ["a"]

    @property
    def doubled(self) -> int:
        return self.count * 2

    def helped(self, number: int) -> int:
        return number + self.doubled

    def trap(self) -> bool:
        return Trap == 1 or Trap() is None

    def liar(self, number: int) -> Any:
        return isinstance(LIAR, dict) or LIAR.size > number or number == LIAR

    def imports(self) -> Any:
        import this

        return this

    def opened(self) -> str:
        with open("/tmp/checked-was-here", "w") as file:
            return str(file.write("x"))

    def evaluated(self) -> Any:
        return eval("RUN.append('eval')")

    def reached(self) -> Any:
        return Plain.__subclasses__()

    def doc(self) -> Any:
        return self.helped.__globals__["RUN"].append("globals")


def tripwires() -> Toolset:
    return Toolset.from_object(Tripwire())


@contextmanager
def started() -> Iterator[set[CodeType]]:
    """The code that starts inside the block."""
    found: set[CodeType] = set()
    sys.setprofile(lambda frame, event, argument: found.add(frame.f_code) if event == "call" else None)
    try:
        yield found
    finally:
        sys.setprofile(None)


def codes(*classes: type) -> set[CodeType]:
    bodies = [getattr(f, "fget", f) for cls in classes for f in vars(cls).values()]
    return {code for f in bodies if hasattr(f, "__code__") for code in nested_code(f.__code__)}


@pytest.mark.parametrize("tool", tripwires(), ids=lambda tool: tool.name)
async def test_no_code_of_the_application_runs(tool: Any) -> None:
    tools = tripwires()
    state = tools.state()
    simulator = Checked().fork(tools, None)  # type: ignore[arg-type]
    before = set(sys.modules)
    RUN.clear()
    call = ToolCall(tool=tool.name, arguments={"number": 1} if tool.name in ("helped", "liar") else {})
    with started() as found:
        try:
            told = (await simulator.predict(call, state, ())).value
        except SimulationError as error:
            told = str(error)
    assert not RUN
    assert not found & codes(Tripwire, Liar, Loud, Trap)
    assert set(sys.modules) == before
    assert told == 3 if tool.name == "helped" else "does not tell" in str(told)


async def test_nor_does_it_in_the_shop() -> None:
    tools = Toolset.from_object(make_shop())
    state, history = tools.state(), ()
    simulator = Checked().fork(tools, None)  # type: ignore[arg-type]
    with started() as found:
        for name, arguments in CALLS:
            await simulator.predict(ToolCall(tool=name, arguments=arguments), state, history)
    assert not found & codes(Shop, Item, Shelf, OutOfStock)
    assert not found & set(nested_code(twice.__code__))
    shop = tools["buy"].owner
    assert isinstance(shop, Shop)
    assert shop.shelf.items["tea"].left == 3


class Hostile:
    """Tools that take all the time and memory there is, if their source is followed."""

    def __init__(self) -> None:
        self.items = ["x"] * 100

    def power(self) -> int:
        return 9**9**9  # type: ignore[no-any-return]

    def shift(self) -> int:
        return 1 << 10**9

    def grows(self) -> int:
        number = 3
        while True:
            number = number * number

    def doubles(self) -> list[str]:
        items = ["x"]
        while True:
            items = items + items

    def appends(self) -> list[str]:
        for item in self.items:
            self.items.append(item)
        while True:
            self.items.extend(self.items)

    def wide(self) -> str:
        return f"{1:>999999999}"

    def percent(self) -> str:
        return "%999999999d" % 1  # noqa: UP031

    def padded(self) -> str:
        return "x".ljust(10**9)

    def replaced(self) -> str:
        text = "x" * 1000
        while True:
            text = text.replace("x", "xx")

    def repeated(self) -> str:
        return "x" * 10**10

    def ranged(self) -> int:
        return sum(n for n in range(10**12))

    def listed(self) -> int:
        return len(list(range(10**12)))

    def recurses(self, number: int = 0) -> int:
        return self.recurses(number + 1)

    def forks(self, number: int = 0) -> int:
        return 0 if number > 12 else self.forks(number + 1) + self.forks(number + 1)

    def nested(self) -> int:
        return sum(1 for a in self.items for b in self.items for c in self.items for d in self.items)

    def looks(self) -> bool:
        items = list(range(90_000))
        return any(-n in items for n in range(1, 90_000))

    def equals(self) -> bool:
        items = [self.items] * 500
        return any(items != [list(i) for i in items] for _ in range(5000))

    def spins(self) -> None:
        while True:
            pass


def hostile() -> Toolset:
    return Toolset.from_object(Hostile())


@pytest.mark.slow
@pytest.mark.parametrize("tool", hostile(), ids=lambda tool: tool.name)
async def test_time_is_bounded_on_hostile_sources(tool: Any) -> None:
    tools = hostile()
    simulator = Checked().fork(tools, None)  # type: ignore[arg-type]
    began = time.process_time()
    with pytest.raises(SimulationError, match="does not tell"):
        await simulator.predict(ToolCall(tool=tool.name), tools.state(), ())
    assert time.process_time() - began < 5


COUNT = 0
BOOKS = {"tea": 1}
NESTED = {"tea": {"left": 1}}
FIXED = {"tea": 1}


class Counting:
    total = 0
    _private = 1
    rate = 2

    def counted(self) -> int:
        global COUNT
        COUNT += 1
        return COUNT

    def count(self) -> int:
        return COUNT

    def booked(self) -> int:
        BOOKS["tea"] -= 1
        return BOOKS["tea"]

    def books(self) -> int:
        return BOOKS["tea"]

    def nested(self) -> int:
        return NESTED["tea"]["left"]

    def totalled(self) -> int:
        Counting.total += 1
        return self.total

    def summed(self) -> int:
        return self.total

    def private(self) -> int:
        return self._private

    def fixed(self) -> int:
        return FIXED["tea"] * self.rate


@pytest.mark.parametrize(
    "name", ["counted", "count", "booked", "books", "nested", "totalled", "summed", "private", "fixed"]
)
async def test_state_outside_of_the_logged_one_is_not_read(name: str) -> None:
    """Globals and class attributes that code changes are what they are now, not what they were then."""
    tools = Toolset.from_object(Counting())
    simulator = Checked().fork(tools, None)  # type: ignore[arg-type]
    if name == "fixed":
        assert (await simulator.predict(ToolCall(tool=name), tools.state(), ())).value == 2
        return
    with pytest.raises(SimulationError, match="source"):
        await simulator.predict(ToolCall(tool=name), tools.state(), ())


def test_hidden_state_is_not_the_live_objects() -> None:
    """Values come from the logged state alone, whatever the objects hold by now."""
    tools = Toolset.from_object(make_shop())
    state = copy.deepcopy(tools.state())
    shop: Any = tools["buy"].owner
    shop.shelf.items["tea"].left = 0
    simulator: Any = Checked().fork(tools, None)  # type: ignore[arg-type]
    found = simulator.compute(ToolCall(tool="buy", arguments={"name": "tea"}), state, ())
    assert found.outcome.value == {"order": 1, "left": 2}


@pytest.mark.slow
async def test_no_outcome_of_third_party_code_is_computed_wrongly() -> None:
    """The ground truth of BFCL, with every argument once replaced by a wrong one: right, or not told."""
    counts = {"told": 0, "failed": 0, "all": 0}
    for task in load_tasks("base")[::8]:
        real_tools, known = guard(task.instances()), list(guard(task.instances()))
        state, history = real_tools.state(), History()
        simulator = Checked(restore=restored).fork(known, None)  # type: ignore[arg-type]
        for text in (text for turn in task.ground_truth for text in turn):
            call = parse_ground_truth(text, real_tools)
            calls = [call.model_copy(update={"arguments": call.arguments | {n: "?"}}) for n in call.arguments]
            for one in (*calls, call):
                apart = real_tools if one is call else guard(copy.deepcopy(objects_of(real_tools)))
                truth = real(apart, one)
                counts["all"] += 1
                try:
                    found = await simulator.predict(one, state, history)
                except SimulationError:
                    continue
                assert found.content() == truth.content(), (task.id, one, found, truth)
                assert found.type == truth.type
                counts["told"] += 1
                counts["failed"] += outcome_type(truth, one) != "success"
            history = (*history, Step(call=call, outcome=truth))
    assert counts["told"] > 0.8 * counts["all"]
    assert counts["failed"] > 50


def objects_of(tools: Toolset) -> dict[str, Any]:
    return {type(owner).__name__: owner for owner in tools.owners}
