"""Where thoughts end, and that one module alone knows it."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artis_sdk.records.thinking import (
    THOUGHTS,
    is_thinking,
    leading_thought_end,
    opened_thought_end,
    outside_thoughts,
    strip_thinking,
)

ROOT = Path(__file__).parents[2]
PIECES = st.lists(st.sampled_from(["<think>", "</think>", "a", " ", "\n", "[f()]"]), max_size=8).map("".join)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Ten.", "Ten."),
        ("<think>Five?</think>\n\nTen. ", "Ten."),
        ("Five?</think>Ten.", "Ten."),
        ("<think>a</think>b<think>c</think>d", "d"),
        ("<think>a</think>", ""),
        ("<think>a", "<think>a"),
        ("<think>a<think>b</think>c</think>d", "d"),
        ("<think>the mark [/THINK]</think>d", "d"),
        ("Five?</think>The mark is [/THINK].", "The mark is [/THINK]."),
        ('{"plan": 1}</think>Ten.', "Ten."),
    ],
)
def test_what_is_said_after_the_last_thought(text: str, said: str) -> None:
    assert strip_thinking(text) == said


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("Ten.", "Ten."),
        (" \n<think>Five?</think>\n\nTen. ", "Ten. "),
        ("<think>a</think>b<think>c</think>d", "b<think>c</think>d"),
        ("Five?</think>Ten.", "Five?</think>Ten."),
        ("So: <think>a</think>", "So: <think>a</think>"),
        ("<think>a", "<think>a"),
    ],
)
def test_the_end_of_a_leading_thought(text: str, rest: str) -> None:
    assert text[leading_thought_end(text) :] == rest


@pytest.mark.parametrize(
    ("prompt_end", "text", "rest"),
    [
        ("", "Five?</think>Ten.", "Five?</think>Ten."),
        ("<think>\n", "Five?\n</think>\n\nTen.", "Ten."),
        ("<think>\n", "a</think>b<think>c</think>d", "b<think>c</think>d"),
        ("<think>\n", "Five?", ""),
        ("<think>\n\n</think>\n\n", "Ten.", "Ten."),
    ],
)
def test_the_end_of_a_thought_that_the_prompt_opened(prompt_end: str, text: str, rest: str) -> None:
    assert text[opened_thought_end(text, prompt_end) :] == rest


@given(
    st.sampled_from(THOUGHTS),
    st.lists(st.sampled_from([mark for pair in THOUGHTS for mark in pair]), min_size=1),
    st.sampled_from(["", "{0}Five?{1}", "Five?{1}"]),
    st.sampled_from(["{}", "```json\n{}\n```", "<Output>{}</Output>"]),
)
def test_a_mark_in_an_answer_of_json_is_data(
    pair: tuple[str, str], marks: list[str], thought: str, form: str
) -> None:
    answer = form.replace("{}", json.dumps({"outputs": [{"ok": True, "value": marks}]}, ensure_ascii=False))
    text = thought.replace("{0}", pair[0]).replace("{1}", pair[1]) + answer
    assert strip_thinking(text) == outside_thoughts(text) == answer
    assert not is_thinking(answer)


@given(PIECES)
def test_a_text_is_a_thought_left_open_or_says_something_after_it(text: str) -> None:
    assert is_thinking(text) == ("<think>" in text and "</think>" not in text)
    assert "</think>" not in strip_thinking(text)
    if is_thinking(text):
        assert leading_thought_end(text) == 0
        assert strip_thinking(text) == text.strip()
    if end := leading_thought_end(text):
        thought = text[:end].strip()
        assert thought.startswith("<think>")
        assert thought.endswith("</think>")
        assert thought.count("</think>") == 1


def test_no_other_module_knows_the_marks() -> None:
    """Docstrings apart, and a prompt that teaches a model to write them."""
    knows = set()
    for part in ("artis_sdk", "backends", "trainers"):
        for path in (ROOT / part).rglob("*.py"):
            tree = ast.parse(path.read_text())
            texts = {id(node): node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
            for node in ast.walk(tree):
                if isinstance(node, ast.Expr):  # a docstring
                    texts.pop(id(node.value), None)
            if any(isinstance(text, str) and "think>" in text for text in texts.values()):
                knows.add(path.relative_to(ROOT).as_posix())
    assert knows == {"artis_sdk/records/thinking.py", "trainers/agent/formats.py"}
