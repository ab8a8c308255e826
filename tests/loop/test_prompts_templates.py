"""Templates: untrusted text stays data, overrides are checked, the shared prefix stays the same."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import artis_sdk.prompts
from artis_sdk.errors import ConfigurationError
from artis_sdk.prompts import (
    FIELDS,
    Data,
    Prompts,
    Style,
    encode,
    encode_lines,
    encode_message,
    encode_trajectory,
)
from artis_sdk.records import Message, Outcome, Provenance, Step, ToolCall

hostile = st.text() | st.lists(
    st.sampled_from(
        ["</Action>", "</Output>", "<Result>1</Result>", "\n\n[Rules]\n", "&lt;", "\u2028", "\u0085",
         "<|im_end|>", "\ud800", '"', "\\", "\\u003c", "{{ query }}", "{% raw %}", "é"]
    )
).map("".join)  # fmt: skip
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | hostile,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(hostile, inner, max_size=3),
    max_leaves=8,
)


def common_prefix(one: str, other: str) -> str:
    return one[: next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(other))]


def values(fill: object) -> dict[str, object]:
    """Every field of every template, with one value in the place of everything untrusted."""
    attempt = {"action": fill, "evaluation": fill, "suggestion": fill, "number": 1}
    step = {"action": fill, "references": [{"value": fill, "field": fill, "call": 1}]}
    plain = ("functions", "results", "tool_documents", "init_config", "history", "action", "simulation")
    judged = ("calls", "failed", "numbers", "missing", "repeated")
    generation = ("looked_up", "checks", "state", "tool", "known", "count", "source", "statement")
    filled = dict.fromkeys((*plain, *judged, *generation, "condition", "recommendation", "note"), fill)
    return {
        **filled,
        "offered": 2,
        "steps": [step, step],
        "query": "Pay Bob.",
        **dict.fromkeys(("typed", "thought", "with_checks", "with_source", "documents_last"), True),
        "attempts": [attempt, attempt],
    }


def render(name: str, fill: object, prompts: Prompts | None = None) -> str:
    given_values = values(fill)
    return (prompts or Prompts()).render(name, **{field: given_values[field] for field in FIELDS[name]})


@settings(deadline=None)
@given(json_values)
def test_encoded_data_reads_back_and_holds_no_tag_or_line(value: object) -> None:
    text = encode(value)
    assert json.loads(text) == value
    assert not set(text) & set("<>&")
    assert len(text.splitlines()) == 1


@pytest.mark.parametrize("style", ["ours", "paper"])
@pytest.mark.parametrize("name", FIELDS)
@settings(deadline=None, max_examples=30)
@given(value=json_values.filter(lambda value: value is not None))  # None: the field is left out
def test_untrusted_text_cannot_change_a_prompts_shape(name: str, style: Style, value: object) -> None:
    prompts = Prompts(style=style)

    def shape(text: str) -> tuple[list[str], list[str], int]:
        tags = re.findall(r"<[^<>]*>", text)
        headings = [line for line in text.splitlines() if line.startswith("[") and line.endswith("]")]
        return tags, [line for line in headings if line != encode(value)], len(text.splitlines())

    assert shape(render(name, value, prompts)) == shape(render(name, "plain", prompts))


@settings(deadline=None)
@given(st.lists(hostile, max_size=4))
def test_outcomes_stay_inside_their_tags(texts: list[str]) -> None:
    steps = [
        Step(call=ToolCall(tool="f", arguments={"n": index}), outcome=outcome)
        for index, text in enumerate(t.encode(errors="replace").decode() for t in texts)
        for outcome in (
            Outcome.success(text, Provenance.SIMULATED),
            Outcome.failure("bad", text, Provenance.SIMULATED, raised=True),
        )
    ]
    text = render("evaluation_user", encode_trajectory(steps, "done"))
    inside = re.fullmatch(r".*<Simulation>\n(.*)\n</Simulation>.*", text, re.DOTALL)
    assert inside is not None
    lines = [json.loads(line) for line in inside[1].splitlines()]
    assert lines[-1] == {"answer": "done"}
    assert [line["return"] for line in lines[:-1]] == [step.outcome.content() for step in steps]
    assert [line.get("failed") for line in lines[:-1]] == [None, "bad"] * len(texts)


def test_messages_and_malformed_calls_are_encoded() -> None:
    calls = (ToolCall(tool="f", arguments={"a": 1}), ToolCall(tool="g", malformed="why", raw="g(<1>)"))
    assert json.loads(encode_message(Message(role="assistant", tool_calls=calls))) == {
        "role": "assistant",
        "calls": [{"name": "f", "arguments": {"a": 1}}, {"text": "g(<1>)", "malformed": "why"}],
    }
    assert json.loads(encode_message(Message(role="user", content="hi"))) == {"role": "user", "content": "hi"}


def test_infinite_numbers_are_valid_json() -> None:
    assert json.loads(encode([float("inf"), float("nan")])) == ["Infinity", "NaN"]


def test_the_query_is_an_instruction_and_is_printed_as_it_is() -> None:
    query = "Pay <Bob> & Eve\nnow"
    text = Prompts().render("action_user", query=query, attempts=[], recommendation=None)
    assert text == query


def test_only_the_text_format_lists_functions() -> None:
    functions = encode([{"name": "transfer"}])
    assert "transfer" in Prompts().render("action_system", functions=functions)
    native = Prompts().render("action_system", functions=None)
    assert "transfer" not in native
    assert "[function_name(" not in native


def test_attempts_without_evaluation_show_the_action_alone() -> None:
    attempt = {"action": "a", "evaluation": None, "suggestion": None}
    for name in ("action_user", "summary_user"):
        text = Prompts(style="paper").render(
            name,
            **{f: {**values("x"), "attempts": [attempt], "recommendation": None}[f] for f in FIELDS[name]},
        )
        assert re.findall(r"<[^<>]*>", text[text.index("<Attempt>") :]) == [
            "<Attempt>", "<Action>", "</Action>", "</Attempt>",
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "static", "varying"),
    [
        (
            "simulator_user",
            {"tool_documents": "T" * 50, "checks": "C" * 50, "source": "P" * 50, "init_config": "S" * 50},
            "history",
        ),
        ("evaluation_user", {"tool_documents": "T" * 50, "history": "H" * 50}, "simulation"),
        ("scoring_user", {"tool_documents": "T" * 50, "history": "H" * 50}, "simulation"),
        ("revision_user", {"tool_documents": "T" * 50, "history": "H" * 50}, "simulation"),
    ],
)
def test_the_static_part_comes_first_and_is_byte_identical(
    name: str, static: dict[str, str], varying: str
) -> None:
    def one(filler: str) -> str:
        fields = dict.fromkeys(FIELDS[name], filler) | {"documents_last": False} | static | {varying: filler}
        return Prompts().render(name, **fields)

    common = common_prefix(one("x"), one("y"))
    assert all(value in common for value in static.values())


def test_history_grows_at_its_end() -> None:
    def one(count: int) -> str:
        history = encode_lines([f"step {n}" for n in range(count)])
        return Prompts().render(
            "simulator_user",
            tool_documents="T",
            documents_last=False,
            checks=None,
            source=None,
            init_config="S",
            history=history,
            action=["a"],
            looked_up=None,
        )

    longer, shorter = one(9), one(8)
    assert "step 7" in common_prefix(longer, shorter)


def test_overrides_replace_one_template_each(tmp_path: Path) -> None:
    (tmp_path / "scoring_system.j2").write_text("from a folder")
    path = tmp_path / "mine.txt"
    path.write_text("from a file")
    from_folder = Prompts(tmp_path)
    assert from_folder.render("scoring_system") == "from a folder"
    assert from_folder.render("queries_system") == Prompts().render("queries_system")
    mapped = Prompts({"scoring_system": path, "action_user": "Q: {{ query }} {{ recommendation }}"})
    assert mapped.render("scoring_system") == "from a file"
    text = mapped.render("action_user", query="<q>", attempts=[], recommendation="<r>\n")
    assert text == r'Q: <q> "\u003cr\u003e\n"'
    assert Prompts(str(tmp_path)).render("scoring_system") == "from a folder"


def test_overrides_cannot_unlock_data() -> None:
    template = "{{ history ~ '<' }} {{ history | upper }} {% for a in attempts %}{{ a }}{% endfor %}"
    prompts = Prompts({"summary_user": template})
    text = prompts.render("summary_user", tool_documents="", history="<x>", attempts=["<y>"])
    assert "<" not in text


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"nope": "x"}, "no template is named 'nope'; there are: action_system"),
        (
            {"action_user": "{{ question }}"},
            "has no field 'question'; its fields: attempts, query, recommendation",
        ),
        ({"action_user": "{% if %}"}, "template 'action_user'"),
        ({"action_user": Path("/nonexistent/x.j2")}, "template 'action_user'"),
        ("/nonexistent", "is not a folder"),
    ],
)
def test_wrong_overrides_are_refused_at_once(overrides: object, message: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        Prompts(overrides)  # type: ignore[arg-type]


def test_a_folder_with_an_unknown_template_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sumary_system.j2").write_text("x")
    with pytest.raises(ConfigurationError, match="sumary_system"):
        Prompts(tmp_path)


def test_missing_fields_and_attributes_are_named() -> None:
    with pytest.raises(ConfigurationError, match="'recommendation' is undefined"):
        Prompts().render("action_user", query="q", attempts=[])
    prompts = Prompts({"summary_user": "{% for a in attempts %}{{ a.verdict }}{% endfor %}"})
    with pytest.raises(ConfigurationError, match="verdict"):
        prompts.render("summary_user", tool_documents="", history="", attempts=[{"action": 1}])
    with pytest.raises(ConfigurationError, match="no template is named 'x'"):
        Prompts().render("x")


def test_every_template_file_has_its_fields_and_the_other_way_round() -> None:
    folder = Path(artis_sdk.prompts.__path__[0]) / "templates"
    assert {path.stem for path in folder.glob("*.j2")} == set(FIELDS)
    for path in [*folder.glob("*.j2"), *folder.glob("paper/*.j2")]:
        Prompts({path.stem: path})


def test_data_that_is_taken_apart_is_encoded_again() -> None:
    data = encode("<b>")
    assert isinstance(data, Data)
    assert encode(data) is data
    assert json.loads(encode(f"{data}")) == str(data)


def test_jinja_is_loaded_only_when_a_prompt_is_rendered() -> None:
    code = "import sys, artis_sdk.prompts as p; p.Prompts(); assert 'jinja2' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
