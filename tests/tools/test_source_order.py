"""The list of checks says what a tool does: the first condition that holds is the failure that comes."""

from __future__ import annotations

import itertools
from pathlib import Path
from types import ModuleType

import pytest
from helpers.written_modules import load
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from artis_sdk.tools import Toolset
from artis_sdk.tools.source_checks.checks import Check
from artis_sdk.tools.source_checks.order import ordered_checks

NUMBERS = range(-2, 4)
NAMES = ("x", "y", "z", "n", "m")
COUNT = itertools.count()


# --- generated functions ------------------------------------------------------------------------------

amounts = st.one_of(
    st.sampled_from(NAMES[:3]),
    st.integers(-2, 3).map(str),
    st.builds("{} {} {}".format, st.sampled_from(NAMES), st.sampled_from("+-*"), st.sampled_from(NAMES)),
    st.builds("self.{}".format, st.sampled_from(["a", "b"])),
    st.builds("self._capped({})".format, st.sampled_from(NAMES)),
)
tests = st.one_of(
    st.builds("{} {} {}".format, amounts, st.sampled_from(["<", "<=", ">", "==", "!="]), st.integers(-1, 2)),
    st.builds("not {} > {}".format, st.sampled_from(NAMES), st.integers(-1, 2)),
    st.builds("{} > 0 and {} < 2".format, st.sampled_from(NAMES), st.sampled_from(NAMES)),
)


def indented(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def statements(depth: int) -> st.SearchStrategy[list[str]]:
    """Lines of one statement."""
    simple = st.one_of(
        st.just(["return 'ok'"]),
        st.just(["return {'error': 'FAIL'}"]),
        st.just(["raise ValueError('FAIL')"]),
        st.sampled_from([["n, m = m, n"], ["x, y = y, n"], ["n = -x"], ["self._spend(n)"]]),
        st.builds("return {{'error': 'FAIL'}} if {} else 'ok'".format, tests).map(lambda line: [line]),
        st.builds("raise ValueError('FAIL') if {} else ValueError('FAIL!')".format, tests).map(
            lambda line: [line]
        ),
        st.builds("n = y if {} else m".format, tests).map(lambda line: [line]),
        st.builds("{} = {}".format, st.sampled_from(NAMES), amounts).map(lambda line: [line]),
        st.builds("{} {}= {}".format, st.sampled_from(NAMES), st.sampled_from("+-"), amounts).map(
            lambda line: [line]
        ),
        st.builds(
            "self.{} {}= {}".format, st.sampled_from(["a", "b"]), st.sampled_from(["", "+"]), amounts
        ).map(lambda line: [line]),
        st.builds("self._positive({})".format, st.sampled_from(NAMES)).map(lambda line: [line]),
        st.builds("assert {}, 'FAIL'".format, tests).map(lambda line: [line]),
    )
    if not depth:
        return simple
    inner = blocks(depth - 1)
    branched = st.builds(
        lambda tests, bodies, other: (
            [
                line
                for word, test, body in zip(("if", "elif", "elif"), tests, bodies, strict=False)
                for line in (f"{word} {test}:", *indented(body))
            ]
            + (["else:", *indented(other)] if other else [])
        ),
        st.lists(tests, min_size=1, max_size=3),
        st.lists(inner, min_size=3, max_size=3),
        st.one_of(st.none(), inner),
    )
    looped = st.builds(
        lambda items, body, other: [f"for k in {items}:", *indented(body), "else:", *indented(other)],
        st.sampled_from(["[]", "(1, 2)"]),
        inner,
        inner,
    )
    matched = st.builds(
        lambda name, guard, one, two, three: [
            f"match {name}:", "    case 0:", *indented(indented(one)), f"    case 1 | 2 if {guard}:",
            *indented(indented(two)), "    case _:", *indented(indented(three)),
        ],
        st.sampled_from(NAMES[:3]), tests, inner, inner, inner,
    )  # fmt: skip
    tried = st.builds(
        lambda body, caught: ["try:", *indented(body), "except ValueError:", *indented(caught)], inner, inner
    )
    # Often a branch that only assigns: what its names stand for behind it is no longer certain.
    assigned = st.builds("{} = {}".format, st.sampled_from(NAMES), amounts)
    chosen = st.builds(lambda test, line: [f"if {test}:", f"    {line}"], tests, assigned)
    return st.one_of(chosen, chosen, simple, simple, branched, looped, matched, tried)


def blocks(depth: int) -> st.SearchStrategy[list[str]]:
    return st.lists(statements(depth), min_size=1, max_size=4).map(
        lambda many: [n for one in many for n in one]
    )


HEAD = """
class Desk:
    def __init__(self):
        self.a = 1
        self.b = 2

    def _positive(self, number):
        if number > 1:
            return 'ok'
        if number < 0:
            raise ValueError('FAIL')

    def _capped(self, y):
        n = y + 1
        return n

    def _spend(self, x):
        if self.a > 2:
            return
        self.a += x

    def tool(self, x: int, y: int, z: int):
        n = 1
        m = x
"""


RETURN_BEHIND_WHAT_IS_STOPPED = [
    "try:",
    "    if x < 2:",
    "        self._positive(x)",
    "        return 'ok'",
    "    elif x < 0:",
    "        return 'ok'",
    "except ValueError:",
    "    self.a = x",
    "return {'error': 'FAIL'}",
]


def numbered(lines: list[str]) -> list[str]:
    """Each failure with a text of its own."""
    return [line.replace("FAIL", f"f{number}") for number, line in enumerate(lines)]


def really(module: ModuleType, arguments: dict[str, int]) -> str | None:
    try:
        value = module.Desk().tool(**arguments)
    except (ValueError, AssertionError) as error:
        return str(error)
    return str(value["error"]) if isinstance(value, dict) else None


def said(check: Check) -> str:
    return str(check.answer["error"] if isinstance(check.answer, dict) else check.answer)


def foretold(checks: list[Check], module: ModuleType, arguments: dict[str, int]) -> str | None:
    """What the first condition that holds says.

    Raises:
        LookupError: a condition cannot be computed, as it names a local or a loop.
    """
    for check in checks:
        unsure = ", with " in check.condition or "for any" in check.condition or " in " in check.condition
        if unsure or "more condition" in check.condition or check.condition.endswith("..."):
            raise LookupError(check.condition)
        if eval(check.condition or "True", {"self": module.Desk(), **arguments}):
            return said(check)
    return None


@pytest.mark.slow
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(body=blocks(2), last=st.sampled_from(["n", "m", "x", "self.a"]))
@example(body=RETURN_BEHIND_WHAT_IS_STOPPED, last="n")
def test_the_first_condition_that_holds_is_what_comes(tmp_path: Path, body: list[str], last: str) -> None:
    """Each body ends with a check of what its statements may have assigned."""
    lines = [*body, f"if {last} > 1:", "    raise ValueError('FAIL')"]
    source = HEAD + "\n".join(indented(indented(numbered(lines)))) + "\n"
    module = load(tmp_path, f"ordered_{next(COUNT)}", source.replace("FAIL", "helper"))
    found = ordered_checks(Toolset.from_object(module.Desk())["tool"])
    assert found is not None
    for x, y, z in itertools.product(NUMBERS, NUMBERS, NUMBERS):
        arguments = {"x": x, "y": y, "z": z}
        try:
            expected = foretold(found.checks, module, arguments)
        except LookupError:
            continue
        assert expected == really(module, arguments), (source, found.checks, arguments)


# --- names of helpers ---------------------------------------------------------------------------------

SHARED_NAMES = """
class NotFound(Exception):
    def __init__(self, order_id):
        super().__init__(f"order {order_id}")


class Desk:
    orders = {}

    def _each(self, orders):
        for order_id in orders:
            if order_id not in self.orders:
                raise NotFound(order_id)

    def _short(self, order_id, of):
        if order_id.startswith("#"):
            order_id = order_id[1:]
        if order_id not in self.orders:
            raise KeyError(f"{order_id} of {of}")

    def close(self, order_id: str):
        self._each([order_id])

    def shorten(self, order_id: str):
        self._short(order_id, order_id.upper())
"""


def test_a_message_has_a_helpers_names_as_its_source_has_them(tmp_path: Path) -> None:
    """In conditions a name that helper and tool have in common says whose it is; in messages only where both
    stand in one."""
    tools = Toolset.from_object(load(tmp_path, f"shared_{next(COUNT)}", SHARED_NAMES).Desk())
    close, shorten = ordered_checks(tools["close"]), ordered_checks(tools["shorten"])
    assert close is not None
    assert shorten is not None
    assert [check.answer for check in close.checks] == ["order {order_id}"]
    assert close.checks[0].condition.startswith("for any order_id_in__each in [order_id]")
    assert [check.answer for check in shorten.checks] == ["'{order_id_in__short} of {order_id.upper()}'"]
