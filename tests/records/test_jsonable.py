"""Any value as JSON: total, lossless where JSON can be, and the odd value costs itself alone."""

from __future__ import annotations

import datetime
import decimal
import fractions
import json
import os
import pathlib
import sqlite3
import subprocess
import sys
import uuid
from collections import Counter, OrderedDict
from random import Random
from typing import Any

import numpy as np
import pandas
import pytest
from helpers.values import (
    KINDS,
    SURROGATE,
    AppError,
    Bought,
    Colour,
    Endless,
    Fixed,
    Hostile,
    HostileDict,
    HostileList,
    HostileText,
    Model,
    Named,
    OfHostileClass,
    Plain,
    Point,
    Size,
    Slotted,
    arbitrary,
    doubled,
    is_json,
    masked_array,
    nested,
    ring,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, SecretStr, field_serializer

from artis_sdk.records.jsonable import jsonable
from artis_sdk.records.plain_forms import stored_attributes

JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=8,
)


@settings(deadline=None)
@given(JSON)
def test_json_is_json_already(value: Any) -> None:
    made = jsonable(value)
    assert json.dumps(made) == json.dumps(value)
    assert made is not value or not isinstance(value, dict | list)
    assert json.dumps(jsonable([value])) == json.dumps([value])  # another way through than a flat object's


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=10)
@given(random=st.randoms(use_true_random=False))
def test_every_value_is_json_that_stays_what_it_is(kind: str, random: Random) -> None:
    made = jsonable(arbitrary(random, kind))
    assert is_json(made)
    again = jsonable(made)
    assert json.dumps(again) == json.dumps(made) == json.dumps(json.loads(json.dumps(made)))


class Shown(BaseModel):
    number: float
    password: SecretStr = SecretStr("hunter2")
    internal: int = Field(default=5, exclude=True)
    inner: Any = None


class Unwritable(BaseModel):
    a: int = 1
    hidden: int = Field(default=2, exclude=True)

    @field_serializer("a")
    def fail(self, value: int) -> int:
        raise KeyError(value)


BASE64 = "data:application/octet-stream;base64,"
DAY = datetime.date(2026, 1, 2)


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        # numbers
        (np.int64(1234567890123456789), 1234567890123456789),
        (np.uint64(2**64 - 1), 2**64 - 1),
        (10**4300 - 1, 10**4300 - 1),
        (-(10**4300) + 1, -(10**4300) + 1),
        (10**4300, hex(10**4300)),
        (np.False_, False),
        ({"success": np.False_}, {"success": False}),
        ([np.True_, True, Size.SMALL], [True, True, 1]),
        (np.float32(0.1), 0.10000000149011612),
        (np.longdouble("0.1"), str(np.longdouble("0.1"))),
        ([float("nan"), float("inf"), float("-inf"), -0.0], ["NaN", "Infinity", "-Infinity", -0.0]),
        ([np.nan, np.float64("inf"), decimal.Decimal("NaN")], ["NaN", "Infinity", "NaN"]),
        ([decimal.Decimal("1.10"), fractions.Fraction(1, 3), 1 + 2j], ["1.10", "1/3", "1+2j"]),
        # arrays
        (np.array([1, 2]), [1, 2]),
        ({"rows": np.array([[1.5, np.nan]])}, {"rows": [[1.5, "NaN"]]}),
        (np.array(5), 5),
        (np.zeros((0, 3)), []),
        (np.array([[1, 2], [3, 4]]).view(np.matrix), [[1, 2], [3, 4]]),
        (masked_array(), [1, None]),
        (np.array([{"a": np.int8(1)}, b"\xff"], dtype=object), [{"a": 1}, BASE64 + "/w=="]),
        (np.array([(1, "a")], dtype=[("n", "i4"), ("t", "U3")]), [{"n": 1, "t": "a"}]),
        (np.array(["2026-01-02", "NaT"], dtype="M8[D]"), ["2026-01-02", None]),
        (np.timedelta64(3, "ns"), "3 nanoseconds"),
        # text and bytes
        ({"n": 1, "t": b"\xff"}, {"n": 1, "t": BASE64 + "/w=="}),
        ([b"ok", bytearray(b"\xfe"), memoryview(b"x")], ["ok", BASE64 + "/g==", "x"]),
        (json.loads('{"title": "cut \\ud83d"}'), {"title": "cut \\ud83d"}),
        ({"\udcff": "ü\ud83d", "é": "\0"}, {"\\udcff": "ü\\ud83d", "é": "\0"}),
        (HostileText("x"), "x"),
        # the standard library's
        ([DAY, datetime.time(1), datetime.timedelta(1)], ["2026-01-02", "01:00:00", "P1D"]),
        (datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC), "2026-01-02T00:00:00Z"),
        ([uuid.UUID(int=1), pathlib.Path("/a/\udcff")], [str(uuid.UUID(int=1)), "/a/\\udcff"]),
        ([Colour.RED, Colour.BOTH], ["red", [1, "two"]]),
        (Named(1, DAY), [1, "2026-01-02"]),
        ([Point(1, Fixed(2)), Slotted(3), Plain(4)], [{"x": 1, "y": {"x": 2}}, {"x": 3}, {"x": 4}]),
        ([Counter("aab"), OrderedDict(b=1, a=2)], [{"a": 2, "b": 1}, {"b": 1, "a": 2}]),
        ([KeyError("Ann"), AppError("x")], ["KeyError: 'Ann'", "AppError: "]),
        ([range(3), range(10**12), {1: 2}.keys()], [[0, 1, 2], "range(0, 1000000000000)", [1]]),
        ({3, 1, 2, 10}, [1, 2, 3, 10]),
        (frozenset({"b", 1, None, "a"}), ["a", "b", 1, None]),
        # declared classes
        (Bought("tea"), {"item": "tea"}),
        (Shown(number=float("nan")), {"number": "NaN", "password": "**********", "inner": None}),
        (Shown(number=1, inner=np.zeros(1)), {"number": 1.0, "password": "**********", "inner": [0.0]}),
        (Unwritable(), {"a": 1}),
        # keys
        ({1: "a", "1": "b", None: "c", 1.5: "d"}, {"1": "a", "1 (2)": "b", "None": "c", "1.5": "d"}),
        ({(1, ("x",)): 1, Fixed(2): 2, np.int64(3): 3}, {'[1,["x"]]': 1, '{"x":2}': 2, "3": 3}),
        ({Hostile(): 1, b"\xff": 2}, {"<Hostile>": 1, BASE64 + "/w==": 2}),
        # what has no JSON
        ([1, Hostile(), object()], [1, "<Hostile>", "<object>"]),
        ([HostileList([1]), HostileDict(a=1)], [[1], {"a": 1}]),
        ([OfHostileClass, object.__new__(OfHostileClass)], ["<OfHostileClass>", "<OfHostileClass>"]),
        ([len, Point, Endless(), ...], ["<len>", "<Point>", "<Endless, too large>", "<ellipsis>"]),
        (ring(), [1, {"back": "<list>"}]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_form_of_a_value(value: Any, seen: Any) -> None:
    made = jsonable(value)
    assert made == seen
    assert repr(made) == repr(seen)  # an integer is no float, a boolean no integer
    assert is_json(made)


def test_tables() -> None:
    late = pandas.Timestamp("2026-01-02 00:00:00.000000001")
    table = pandas.DataFrame({"n": [1, 2], "at": [late, pandas.NaT]}, index=["x", "x"])
    at = "2026-01-02T00:00:00.000000001"
    assert jsonable(table) == {"columns": ["n", "at"], "index": ["x", "x"], "data": [[1, at], [2, None]]}
    rows = pandas.DataFrame({"n": np.array([1, 2]), "f": [0.5, np.nan]}).to_dict("records")
    assert jsonable(rows) == [{"n": 1, "f": 0.5}, {"n": 2, "f": "NaN"}]
    series = pandas.Series([np.int64(2**60), pandas.NA], name="s", dtype="Int64")
    assert jsonable(series) == {"name": "s", "index": [0, 1], "data": [2**60, None]}
    others = [pandas.Index([1]), pandas.Categorical(["a"]), pandas.Period("2026-01"), pandas.Timedelta("1ns")]
    assert jsonable(others) == [[1], ["a"], "2026-01", "P0DT0H0M0.000000001S"]


def test_rows_of_a_database() -> None:
    base = sqlite3.connect(":memory:")
    base.row_factory = sqlite3.Row
    assert jsonable(base.execute("SELECT 1 AS a, x'ff' AS b").fetchall()) == [{"a": 1, "b": BASE64 + "/w=="}]
    base.close()


@pytest.mark.parametrize("make", [lambda: iter([1, 2]), lambda: (n for n in (1, 2)), lambda: map(int, "12")])
def test_an_iterator_is_left_to_its_reader(make: Any) -> None:
    stream = make()
    made = jsonable({"a": stream, "b": [stream], "c": Plain(stream), "d": Model(x=stream)})
    name = f"<{type(stream).__name__}>"
    assert made == {"a": name, "b": [name], "c": {"x": name}, "d": {"x": "<SerializationIterator>"}}
    assert list(stream) == [1, 2]


@pytest.mark.slow
def test_what_nests_deeper_than_json_goes_on_as_text() -> None:
    made = jsonable(nested(100_000))
    for _ in range(128):
        made = made[0] if isinstance(made, list) else made["in"]
    assert made.startswith(('{"in":[', '[{"in":'))
    assert made.count('"in"') == (100_000 - 128) // 2
    assert jsonable(nested(128)) == nested(128)


@pytest.mark.slow
def test_it_ends_where_references_multiply() -> None:
    text = json.dumps(jsonable(doubled(100)))
    assert "<list, too large>" in text
    assert len(text) < 2**28
    long = "x" * 30_000_000
    made = jsonable([long] * 1000)
    assert [item is long for item in made].count(True) == 3
    assert made[3] == "<str, too large>"


@pytest.mark.slow
def test_large_values_are_kept_whole() -> None:
    text = "ä" * 20_000_000
    assert jsonable(text) == text
    numbers = list(range(4_000_000))
    made = jsonable({"n": numbers})
    assert made["n"] == numbers
    assert made["n"] is not numbers


class Folder:
    def __init__(self, name: str, parent: Folder | None = None) -> None:
        self.name = name
        self.parent = parent
        self.inside: dict[str, Folder] = {}
        self.made = datetime.date(2024, 2, 29)


def test_what_refers_back_is_named_and_the_rest_is_kept() -> None:
    root = Folder("root")
    root.inside["a"] = Folder("a", root)
    child = {"name": "a", "parent": "<Folder>", "inside": {}, "made": "2024-02-29"}
    assert jsonable(root) == {"name": "root", "parent": None, "inside": {"a": child}, "made": "2024-02-29"}
    shared = {"n": 1}
    looped: list[object] = [shared, shared]
    looped.append(looped)
    assert jsonable({"ring": looped}) == {"ring": [{"n": 1}, {"n": 1}, "<list>"]}


def test_a_key_that_holds_itself() -> None:
    key = Plain(1)
    key.x = {key: key}
    assert is_json(jsonable({key: 1}))
    assert len(json.dumps(jsonable([{key: n} for n in range(10)]))) < 10_000


def test_nothing_of_the_application_runs_but_what_was_written_for_it() -> None:
    class Watched:
        def __init__(self) -> None:
            self.seen = 1

        def __getattribute__(self, name: str) -> Any:
            pytest.fail(f"{name} was read")

        @property
        def balance(self) -> int:
            pytest.fail("a property ran")

        def __iter__(self) -> Any:
            pytest.fail("it was iterated")

        def __repr__(self) -> str:
            pytest.fail("it was shown")

    assert jsonable([Watched()]) == [{"seen": 1}]


def test_a_keyboard_interrupt_passes() -> None:
    class Slow(Endless):
        def __getitem__(self, index: Any) -> Any:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        jsonable([Slow()])


def test_sets_look_the_same_in_every_process() -> None:
    code = (
        "from artis_sdk.records.jsonable import jsonable;"
        "print(jsonable({'a', 'b', 'c', 'd', 1, None, (1, 'x'), frozenset({'y', 'z'})}))"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(texts) == 1


def test_no_array_library_is_imported() -> None:
    code = (
        "import sys; from artis_sdk.records.jsonable import jsonable; jsonable([object(), {1: b'x'}]);"
        "print({'numpy', 'pandas', 'torch'} & sys.modules.keys())"
    )
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert made.stdout.strip() == "set()"


def test_a_surrogate_reads_as_its_escape() -> None:
    assert jsonable(SURROGATE) == "cut \\ud83d"


def test_a_class_is_named_and_its_namespace_can_be_looked_at() -> None:
    class Kept:
        limit = 3

    assert jsonable({"kind": Kept}) == {"kind": f"<{Kept.__qualname__}>"}
    assert stored_attributes(Kept)["limit"] == 3
