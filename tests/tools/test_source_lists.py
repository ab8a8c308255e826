"""What the list of checks says of single constructs, and that reading ends."""

from __future__ import annotations

import collections
import contextlib
import functools
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from helpers.written_modules import load

from artis_sdk.simulators.source_notes import SourceNotes
from artis_sdk.tools import Toolset
from artis_sdk.tools.source_checks.checks import ToolChecks
from artis_sdk.tools.source_checks.order import ordered_checks
from artis_sdk.tools.source_checks.read import read_tool

LIMIT = 5


class NotFound(Exception):
    def __init__(self, name: str) -> None:
        super().__init__(f"no order {name}")


class Short(Exception):
    def __init__(self, left: int, wanted: int) -> None:
        super().__init__(left, wanted)
        self.left = left

    def __str__(self) -> str:
        return f"only {self.left} left"


class Coded(NotFound):
    pass


@dataclass
class Order:
    amount: int
    name: str = "n"

    def __post_init__(self) -> None:
        if self.amount <= 0:
            raise ValueError("amount must be positive")


@dataclass
class Result:
    ok: bool
    value: Any = None
    error: str | None = None

    @classmethod
    def fail(cls, said: str) -> Result:
        return cls(False, None, said)


class Answer(NamedTuple):
    status: int
    body: Any


def role(name: str) -> Callable[[Any], Any]:
    def decorate(function: Any) -> Any:
        @functools.wraps(function)
        def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
            if name not in self.roles:
                raise PermissionError(f"{function.__name__} needs {name}")
            return function(self, *args, **kwargs)

        return wrapper

    return decorate


def retried(function: Any) -> Any:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        for _attempt in range(3):
            try:
                return function(*args, **kwargs)
            except ConnectionError:
                continue
        raise RuntimeError("gave up")

    return wrapper


class Desk:
    def __init__(self) -> None:
        self.cap = 10
        self.used = 4
        self.roles = ["user"]
        self.rows = {"a": 1}

    def early(self, x: int) -> str:
        if x > 0:
            return "ok"
        raise ValueError("f")

    def looped(self, x: int) -> str:
        for name, value in self.rows.items():
            if value == x:
                return name
        raise LookupError("f")

    def loop_else(self, x: int) -> str:
        for value in self.rows.values():
            if value == x:
                break
        else:
            raise LookupError("f")
        return "ok"

    def while_else(self, x: int) -> str:
        while x > 3:
            x -= 1
        else:
            raise ValueError("f")

    def left(self, x: int) -> int:
        left = self.cap - self.used
        left -= x
        if left < 0:
            raise ValueError("f")
        return left

    def branched(self, x: int, y: int) -> int:
        n = x
        if y > 3:
            n = y
        if n > 5:
            raise ValueError("f")
        return n

    def before(self, x: int) -> int:
        before = self.used
        self.used += x
        if before > 3:
            raise ValueError("f")
        return before

    def spent(self, x: int) -> int:
        self.used += x
        if self.used > self.cap:
            raise ValueError("f")
        return self.used

    def counted(self, x: int) -> int:
        count = len(self.rows)
        self.rows["b"] = x
        if count > 3:
            raise ValueError("f")
        return count

    @role("admin")
    def wiped(self, x: int) -> str:
        return "ok"

    @role("user")
    @role("boss")
    def twice(self, x: int) -> str:
        if x > 3:
            raise ValueError("f")
        return "ok"

    @retried
    def tried(self, x: int) -> str:
        if x > 3:
            raise ConnectionError("down")
        if x < 0:
            raise ValueError("f")
        return "ok"

    @property
    def open(self) -> bool:
        if self.used > 3:
            raise RuntimeError("closed")
        return True

    def with_property(self, x: int) -> bool:
        return self.open and x > 3

    def made(self, x: int) -> int:
        return Order(x, name="m").amount

    def nested(self, x: int) -> int:
        def check(number: int) -> None:
            if number > LIMIT:
                raise ValueError("f")

        check(x)
        return x

    def _one(self, number: int) -> int:
        if number < 0:
            raise ValueError("f")
        return number

    def while_test(self, x: int) -> int:
        while self._one(x):
            break
        return x

    def conditional(self, x: int) -> int:
        return 1 if self._one(x) else 2

    def comprehended(self, x: int) -> list[int]:
        return [n + 1 for n in range(self._one(x))]

    def shadowed(self, x: int, items: list[int]) -> list[int]:
        number = x + 1
        self.used = number
        return [number for number in items]  # noqa: C416 - its own `number`

    def and_then(self, x: int, y: int) -> bool:
        return x > 3 and self._one(y) > 0

    def kept(self, x: int) -> dict[str, Any]:
        out: dict[str, Any] = {}
        if x > 2:
            out["error"] = "medium"
            return out
        return out

    def variable(self, x: int) -> int:
        error = ValueError(f"bad {x}")
        if x > 1:
            raise error
        return x

    def _error(self, number: int) -> Exception:
        return PermissionError(f"denied {number}")

    def factory(self, x: int) -> int:
        if x > 1:
            raise self._error(x + 1)
        return x

    def own_init(self, x: str) -> None:
        raise NotFound(x)

    def inherited(self, x: str) -> None:
        raise Coded(x)

    def own_str(self, x: int) -> None:
        raise Short(self.used, x)

    def two(self, x: int) -> None:
        raise ValueError("bad", x)

    def key(self, x: str) -> None:
        raise KeyError(x)

    def formats(self, x: float) -> None:
        raise ValueError(f"{x:.2f} is over {self.cap!r}")

    def percent(self, x: int, y: str) -> None:
        raise ValueError("%d of %s is %.1f%% over" % (x, y, x))  # noqa: UP031

    def dotted(self, x: int, y: str) -> None:
        raise ValueError("{} of {name!r:>5}".format(x, name=y))  # noqa: UP032

    def deep(self, x: int, y: int) -> None:
        if x > 0:  # noqa: SIM102
            if y > 0:  # noqa: SIM102
                if x > 1:  # noqa: SIM102
                    if y > 1:
                        raise ValueError("f")

    def matched(self, x: str, y: int) -> str:
        match x:
            case "add" if y > 0:
                return "added"
            case "sub" | "del":
                raise ValueError("f")
            case _:
                raise LookupError("g")

    def suppressed(self, x: int) -> str:
        with contextlib.suppress(ValueError):
            if x > 1:
                raise ValueError("hidden")
        return "ok"

    def handled(self, x: str) -> int:
        try:
            self.rows["z"] = 1
            return self.rows[x]
        except KeyError as error:
            raise LookupError("f") from error

    def result(self, x: int) -> Result:
        if x > 3:
            return Result.fail(f"{x} is over")
        return Result(True, x)

    def pair(self, x: int) -> tuple[bool, Any]:
        if x > 3:
            return False, f"{x} is over"
        return True, x

    def answered(self, x: int) -> Answer:
        if x > 3:
            return Answer(404, None)
        return Answer(200, x)


TOOLS = {tool.name: tool for tool in Toolset.from_object(Desk())}


def checks(name: str) -> ToolChecks:
    found = ordered_checks(TOOLS[name])
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("name", "conditions"),
    [
        ("early", ["not (x > 0)"]),
        ("looped", ["not (for any (name, value) in self.rows.items() and value == x)"]),
        ("loop_else", ["not (for any value in self.rows.values() and value == x)"]),
        ("while_else", [""]),
        ("left", ["self.cap - self.used - x < 0"]),
        ("branched", ["n > 5, with n = x; n = y if y > 3"]),
        ("before", ["before > 3, with before = self.used; self.used = self.used + x"]),
        ("spent", ["self.used + x > self.cap"]),
        ("counted", ["count > 3, with count = len(self.rows); self.rows['b'] = x"]),
        ("wiped", ["'admin' not in self.roles"]),
        ("twice", ["'user' not in self.roles", "'boss' not in self.roles", "x > 3"]),
        ("tried", ["for any _attempt in range(3) and not (x > 3) and x < 0"]),
        ("with_property", ["self.used > 3"]),
        ("made", ["x <= 0"]),
        ("nested", ["x > 5"]),
        ("while_test", ["x < 0"]),
        ("conditional", ["x < 0"]),
        ("comprehended", ["x < 0"]),
        ("and_then", ["x > 3 and y < 0"]),
        ("kept", ["x > 2"]),
        ("deep", ["x > 0 and y > 0 and x > 1 and y > 1"]),
        (
            "matched",
            [
                "not (x == 'add' and y > 0) and x in ('sub', 'del')",
                "not (x == 'add' and y > 0) and not (x in ('sub', 'del'))",
            ],
        ),
        ("suppressed", []),
        ("handled", ["KeyError in self.rows['z'] = 1; return self.rows[x]"]),
        ("result", ["x > 3"]),
        ("pair", ["x > 3"]),
        ("answered", ["x > 3"]),
    ],
)
def test_the_conditions_of_a_construct(name: str, conditions: list[str]) -> None:
    found = [check.condition for check in checks(name).checks]
    assert found[: len(conditions)] == conditions
    assert len(found) == len(conditions) + (name == "tried")


class Fills:
    def __init__(self) -> None:
        self.rows: dict[str, int] = {}

    def counted(self, names: list[str]) -> int:
        total: dict[str, int] = collections.defaultdict(int)
        for name in names:
            total[name] += 1
        if total["a"] > LIMIT:
            raise ValueError("too many")
        return 1

    def copied(self, name: str) -> int:
        rows = dict(self.rows)
        rows[name] = 1
        if len(rows) > LIMIT:
            raise ValueError("too many")
        return 1

    def added(self, name: str) -> int:
        seen = set()
        seen.add(name)
        if len(seen) > 0:
            raise ValueError("too many")
        return 1


@pytest.mark.parametrize(
    ("name", "condition"),
    [
        ("counted", "total['a'] > 5, with total = collections.defaultdict(int); total[name] += 1 in a loop"),
        ("copied", "len(rows) > 5, with rows = dict(self.rows); rows[name] = 1"),
        ("added", "len(seen) > 0, with seen = set(); seen.add(name)"),
    ],
)
def test_a_container_that_is_filled_stands_for_itself(name: str, condition: str) -> None:
    found = ordered_checks(Toolset.from_object(Fills())[name])
    assert found is not None
    (check,) = found.checks
    assert check.condition == condition


def test_a_comprehension_has_names_of_its_own() -> None:
    assert checks("shadowed").returns == [["{number}", "..."]]


def test_what_a_decorator_raises_after_its_loop() -> None:
    last = checks("tried").checks[-1]
    assert (last.type, last.answer) == ("RuntimeError", "gave up")
    assert last.condition.startswith("not (for any _attempt in range(3) and not (ConnectionError in ")


@pytest.mark.parametrize(
    ("name", "type_", "message"),
    [
        ("wiped", "PermissionError", "wiped needs admin"),
        ("variable", "ValueError", "bad {x}"),
        ("factory", "PermissionError", "denied {x + 1}"),
        ("own_init", "NotFound", "no order {x}"),
        ("inherited", "Coded", "no order {x}"),
        ("own_str", "Short", "only {self.used} left"),
        ("two", "ValueError", "('bad', {x!r})"),
        ("key", "KeyError", "{x!r}"),
        ("formats", "ValueError", "{x:.2f} is over {self.cap!r}"),
        ("percent", "ValueError", "{x} of {y} is {x:.1f}% over"),
        ("dotted", "ValueError", "{x} of {y!r:>5}"),
        ("kept", "medium", {"error": "medium"}),
        ("result", "<*> is over", {"ok": False, "value": None, "error": "{x} is over"}),
        ("pair", "", [False, "{x} is over"]),
        ("answered", "", [404, None]),
    ],
)
def test_the_type_and_the_answer_of_a_check(name: str, type_: str, message: Any) -> None:
    check = checks(name).checks[0]
    assert (check.type, check.answer) == (type_, message)


def test_a_failure_by_its_own_words_is_shown_as_the_outcome_that_it_is() -> None:
    """No rule of outcomes counts a pair as a failure."""
    made = SourceNotes([TOOLS["pair"]], typed=True).modes("pair")
    assert made is not None
    assert '"then":{"ok":true,"value":[false,"{x} is over"]}' in made


# --- reading ends -------------------------------------------------------------------------------------

HEAD = "class Desk:\n    def tool(self, x: int, s: str):\n"
BRANCHES = "".join(
    f"        {'elif' if n else 'if'} x == {n}:\n            raise ValueError('n{n}')\n" for n in range(400)
)
CHOICES = " ".join(f"{n} if x == {n} else" for n in range(200))
CALLS = "".join(f"        self._hNEXT(x + {n})\n" for n in range(10))
CHECKS = "".join(f"        if x > {n}:\n            raise ValueError('n')\n" for n in range(10))
HELPERS = "".join(
    f"    def _h{level}(self, x):\n" + (CALLS.replace("NEXT", str(level + 1)) if level < 5 else CHECKS)
    for level in range(1, 6)
)
LONG = {
    "elif": HEAD + BRANCHES,
    "sum": HEAD + f"        raise ValueError({' + '.join(['s'] * 400)})\n",
    "condition": HEAD + f"        if {' + '.join(['x'] * 400)} > 3:\n            raise ValueError('n')\n",
    "nested": HEAD + f"        if {'(' * 90}x{' + 1)' * 90} > 3:\n            raise ValueError('n')\n",
    "choices": HEAD + f"        return {CHOICES} 0\n",
    "blocks": HEAD
    + "".join(f"{' ' * n}if x > {n}:\n" for n in range(8, 98))
    + f"{' ' * 98}raise ValueError\n",
    "helpers": HEAD + "        self._h1(x)\n" + HELPERS,
    "quiet helpers": HEAD + "        self._h1(x)\n" + HELPERS.replace("raise ValueError('n')", "x += 1"),
}
NUMBER = itertools.count()


@pytest.mark.parametrize("name", LONG)
def test_reading_ends_whatever_the_source(name: str, tmp_path: Path) -> None:
    module = load(tmp_path, f"long_{next(NUMBER)}", LONG[name])
    tools = list(Toolset.from_object(module.Desk()))
    start = time.process_time()
    notes = SourceNotes(tools, typed=True)
    shown = notes.modes("tool")
    assert shown is not None
    assert notes.source("tool") is not None
    read_tool(tools[0])
    assert time.process_time() - start < 30  # a second; the machine is shared
    assert len(shown) < 20_000
    assert ("not shown" in shown) == (name in ("elif", "helpers"))
    if name == "helpers":
        assert '"100 or more"' in shown


# --- each statement once ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "types"),
    [
        ("wiped", ["PermissionError"]),
        ("twice", ["PermissionError", "ValueError"]),
        ("tried", ["RuntimeError", "ValueError"]),
        ("with_property", ["RuntimeError"]),
        ("made", ["ValueError"]),
        ("nested", ["ValueError"]),
        ("suppressed", []),
        ("variable", ["ValueError"]),
        ("factory", ["PermissionError"]),
    ],
)
def test_the_failing_statements_of_decorators_and_properties_are_read(name: str, types: list[str]) -> None:
    found = read_tool(TOOLS[name])
    assert sorted({mode.type for mode in found.modes}) == types
    assert found.functions[0].node.name == name
    assert all(mode.path == () for mode in found.modes if mode.site.type == "ValueError" and name == "twice")
