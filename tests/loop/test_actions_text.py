"""The text format for actions: examples, the round-trip law, fuzz, and time on large input."""

import json
import string
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from artis_sdk.records import ToolCall
from artis_sdk.records.action_text import MAX_CALLS, MAX_DEPTH, format_actions, parse_actions, parse_literal


def read(text: str) -> list[tuple[str, dict[str, JsonValue]]]:
    calls = parse_actions(text)
    assert calls is not None
    assert [call.malformed for call in calls] == [None] * len(calls)
    return [(call.tool, call.arguments) for call in calls]


def problem(text: str) -> str:
    """Why the only, malformed, call of a text cannot be used."""
    calls = parse_actions(text)
    assert calls is not None
    assert len(calls) == 1
    assert calls[0].malformed is not None
    assert calls[0].arguments == {}
    return calls[0].malformed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[f(a=1), g()]", [("f", {"a": 1}), ("g", {})]),
        ("[]", []),
        (" [ ]\n", []),
        ("[f(a=-2, b=-0.5, c=1e3, d=+4, e=1_000, f=0x1F, g=.5, h=0)]",
         [("f", {"a": -2, "b": -0.5, "c": 1000.0, "d": 4, "e": 1000, "f": 31, "g": 0.5, "h": 0})]),
        ("[f(a=True, b=False, c=None, d=true, e=false, f=null)]",
         [("f", {"a": True, "b": False, "c": None, "d": True, "e": False, "f": None})]),
        ("[f(a=[1, [2, {'k': [None]}]], b={}, c=[], d=(1, 2), e=(3), f=(4,), g=())]",
         [("f", {"a": [1, [2, {"k": [None]}]], "b": {}, "c": [], "d": [1, 2], "e": 3, "f": [4], "g": []})]),
        ("""[f(a="it's", b='say "x"', c='''a'b"c''', d=\"\"\"x\ny\"\"\", e='')]""",
         [("f", {"a": "it's", "b": 'say "x"', "c": "a'b\"c", "d": "x\ny", "e": ""})]),
        (r"""[f(a="\n\t\\\"\x41\u00e9\U0001F600\101", b="\ud83d\ude00", c=r'\d', d='\d')]""",
         [("f", {"a": '\n\t\\"Aé😀A', "b": "😀", "c": r"\d", "d": r"\d"})]),
        ("[f(a='one\ntwo\0')]", [("f", {"a": "one\ntwo\0"})]),
        ("[überweisen(an='Žofie', 理由='借り')]", [("überweisen", {"an": "Žofie", "理由": "借り"})]),
        ("[bank.api.pay(to='x'), get-weather(), 2fa(code='1')]",
         [("bank.api.pay", {"to": "x"}), ("get-weather", {}), ("2fa", {"code": "1"})]),
        ("[f(**{'from': 'a', 'x-y': 1}, b=2,),]", [("f", {"from": "a", "x-y": 1, "b": 2})]),
        ("[f(from='a', class=1)]", [("f", {"from": "a", "class": 1})]),
        ("```\n[f(a=1)]\n```", [("f", {"a": 1})]),
        ("```python\n[f(\n  a=1,\n)]\n```\n", [("f", {"a": 1})]),
        ("<think>maybe [g()]</think>\n\n[f(a=1)]", [("f", {"a": 1})]),
        ("[f(a='), g(b=1)]')]", [("f", {"a": "), g(b=1)]"})]),
    ],
)  # fmt: skip
def test_lists_of_calls_are_read(text: str, expected: list[object]) -> None:
    assert read(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The flight is booked.",
        "I called transfer(amount=5) for you.",
        "I would run [transfer(amount=5)] but the account is frozen.",
        "[1, 2, 3]",
        "[Note](https://example.org) holds the details (see there)",
        '[{"name": "f", "arguments": {}}]',
        "<think>[f(a=1)]</think> Done.",
        "f(x) is the function's value (see above)",
        "[",
    ],
)
def test_natural_language_is_no_call(text: str) -> None:
    assert parse_actions(text) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[f(1)]", "argument 1 has no name; write f(parameter=value)"),
        ("[f(a=1, 'x')]", "argument 2 has no name"),
        ("[f(a=g(b=1))]", "g(...) is a call inside a call"),
        ("[f(a=[g()])]", "g(...) is a call inside a call"),
        ("[f(a=yes)]", "yes is not a value; put quotes around text"),
        ("[f(a=NaN)]", "NaN is not a value"),
        ("[f(a=1, a=2)]", "argument 'a' is given twice"),
        ("[f(a=1, **{'a': 2})]", "argument 'a' is given twice"),
        ("[f(**[1])]", "** needs a dictionary"),
        ("[f(a={1: 2})]", "dictionary key 1 is not a string"),
        ("[f(a=007)]", "007 begins with a zero; quote it"),
        ("[f(a=1e999)]", "1e999 is too large"),
        (f"[f(a={'9' * 5000})]", "more than 4000 digits"),
        (f"[f(a=0x{'f' * 5000})]", "more than 4000 digits"),
        (r"[f(a='\x4')]", r"\x is not a character escape"),
        (r"[f(a='\U00110000')]", r"\U00110000 is not a character escape"),
        (r"[f(a='\ud800')]", "half of a surrogate pair"),
        ("[f(a='\ud800')]", "half of a surrogate pair"),
        ("[f(a=1", "expected ')' at the end of the text"),
        ("[f(a=", "the text breaks off"),
        ("[f(a='x)]", "expected a value at character 5"),
        ("[f(a=1+2)]", "expected ')' at character 6, before '+2)]'"),
        ("[f(a={1, 2})]", "expected ':'"),
        ("[f(a=b'x')]", "expected ')'"),
        ("[f(a=__import__('os').system('x'))]", "expected ')'"),
        ("[f(a=1)] and then [g()]", "text after the list of calls"),
        ("[f(a=1)]\n[g()]", "text after the list of calls"),
        ("Here they are:\n[f(a=1)]", "write either the list of calls and nothing else"),
        ("Here:\n```\n[f(a=1),\n g()]\n```\nDone.", "write either the list of calls"),
        ("[f(a=1), (5)]", "expected the name of a function"),
        ("f(a=1)", "calls must stand in a list"),
        ("f(a=1), g()", "calls must stand in a list"),
        ("[" + "f()," * (MAX_CALLS + 1) + "]", f"more than {MAX_CALLS} calls"),
        ("[f(a=" + "[" * 5000 + "]" * 5000 + ")]", f"nested deeper than {MAX_DEPTH} levels"),
        ("[" + "f(a=" * 5000 + ")" * 5000 + "]", f"nested deeper than {MAX_DEPTH} levels"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_malformed(text: str, why: str) -> None:
    assert why in problem(text)


def test_a_bad_argument_spoils_its_own_call_only() -> None:
    calls = parse_actions("[f(1), g(a=1), h(a=k(b=c), d=2)]")
    assert calls is not None
    assert [(call.tool, call.malformed is None) for call in calls] == [
        ("f", False),
        ("g", True),
        ("h", False),
    ]
    assert [call.raw for call in calls] == ["f(1)", "g(a=1)", "h(a=k(b=c), d=2)"]


def test_a_text_that_breaks_off_runs_nothing() -> None:
    calls = parse_actions("[transfer(a=1), transfer(a=")
    assert calls is not None
    assert [(call.tool, call.raw) for call in calls] == [("transfer", "[transfer(a=1), transfer(a=")]
    assert calls[0].malformed


names = st.builds(str.__add__, st.sampled_from("fgé_2名"), st.text("abé2_.-/:", max_size=8))
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.text("'\"\\[](){},=ru\n\r\x00<&é\u2028", max_size=12)
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)
calls = st.builds(ToolCall, tool=names, arguments=st.dictionaries(st.text() | names, values, max_size=3))


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(st.lists(calls, max_size=3))
@example([ToolCall(tool="f", arguments={"a": -0.0, "b": "\\", "c": "'''\"\"\"", "": 1, "1": 2})])
def test_what_is_written_is_read_back(made: list[ToolCall]) -> None:
    again = parse_actions(format_actions(made))
    assert again is not None
    assert [(c.tool, c.arguments, c.malformed) for c in again] == [(c.tool, c.arguments, None) for c in made]
    exact = [json.dumps(c.arguments, sort_keys=True) for c in made]  # 1 is not 1.0 or True
    assert [json.dumps(c.arguments, sort_keys=True) for c in again] == exact


def test_malformed_calls_are_written_as_they_came() -> None:
    malformed = ToolCall(tool="f", malformed="why", raw="f(1)")
    assert format_actions([malformed, ToolCall(tool="g")]) == "[f(1), g()]"


@pytest.mark.slow
@settings(deadline=None)
@given(
    st.text(st.characters())
    | st.text("[](){}=,'\"\\f1.-*: \n`<>tru\ud800", max_size=60)
    | st.text("[](){}=,'\"\\f1.-*: \n", max_size=60).map("[f(".__add__)
    | st.lists(calls, max_size=3)
    .map(format_actions)
    .flatmap(lambda text: st.integers(0, len(text)).map(lambda cut: text[:cut] + text[cut + 1 :]))
)
def test_no_text_raises_and_only_json_comes_out(text: str) -> None:
    for call in parse_actions(text) or []:
        assert ToolCall.model_validate_json(call.model_dump_json()) == call
        assert call.malformed is None or call.arguments == {}
        if call.raw and text.isascii():
            assert call.raw in text


@settings(deadline=None)
@given(values)
def test_json_and_python_literals_are_read(value: JsonValue) -> None:
    assert parse_literal(json.dumps(value)) == value
    assert parse_literal(repr(value)) == value


@pytest.mark.parametrize("text", ["", "1 2", "[1", "f()", "x", "{1: 2}", "[" * 5000, "'\ud800'"])
def test_what_is_no_literal_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_literal(text)


M = 1_000_000  # characters


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "[f(a=" + "[" * M,
        "[f(a='" + "\\" * M,
        '[f(a="' + "x" * M + '")]',
        '[f(a="' + "\\u0041" * (M // 6) + '")]',
        "[f(a=" + " " * M + "1)]",
        "[f(" + "a " * (M // 2),
        "[f(" + "a=1," * (M // 16) + ")]",
        "[f(a=[" + "1," * (M // 2) + "])]",
        "[f(\n" * (M // 4),
        ")\n " * (M // 3),
        "\n[ " * (M // 3),
        "```\n" * (M // 4),
        "<think>" * (M // 7),
        "f(" + "a=1," * (M // 16) + ")",
        string.ascii_letters * (M // 52),
    ],
    ids=lambda text: repr(text[:8]),
)
def test_time_is_linear_on_a_megabyte(text: str) -> None:
    began = time.process_time()
    parse_actions(text)
    assert time.process_time() - began < 30  # seconds; quadratic time would take hours
