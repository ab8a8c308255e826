"""Answers of real models with thoughts: no call stands in a thought, and none is lost in silence."""

from __future__ import annotations

import pytest
from helpers.read_answers import PAY, every_format, made, read

from artis_sdk.backends.tool_formats import ToolCallFormat

CLOSE_IT = '<tool_call>{"name":"close_account","arguments":{"owner":"bob"}}</tool_call>'


THOUGHTS = [
    (
        f"I could write {CLOSE_IT}\nbut nobody asked.\n</think>\n\nNeed not be closed.",
        "",
        "Need not be closed.",
    ),
    (f"I could write {CLOSE_IT}\nbut no.\n</think>\n\nNo.", "<think>\n", "No."),  # verl 4757
    (f"<think>{CLOSE_IT}? No.</think>No.", "", "No."),
    (f"<think>one</think><think>{CLOSE_IT}? No.</think>No.", "", "No."),
    (f"Let me see. <think>{CLOSE_IT}? No.</think>No.", "", "No."),
    (f"I use <tool_call> tags: {CLOSE_IT}? No.</think>No.", "", "No."),  # Qwen3 1459
    (f"I use <tool_call> tags. </think>No. <think>{CLOSE_IT}?</think> No.", "", "No."),
    (f"[THINK]{CLOSE_IT}? No.[/THINK]No.", "", "No."),
    (f"<|channel>thought\n{CLOSE_IT}? No.<channel|>No.", "", "No."),
    (f"<seed:think>{CLOSE_IT}? No.</seed:think>No.", "", "No."),
    (f"<|START_THINKING|>{CLOSE_IT}? No.<|END_THINKING|>No.", "", "No."),
    (f"{CLOSE_IT}? No.<|close|>think<|sep|>No.", "<|open|>think<|sep|>", "No."),
    ('{"name":"close_account","arguments":{"owner":"bob"}}? No.</think>No.', "", "No."),
    ('[close_account(owner="bob")]\n</think>\nNo.', "", "No."),
    (f"One writes [/THINK] {CLOSE_IT} there.</think>No.", "<think>\n", "No."),  # another family's mark
    (f"<think>One writes [/THINK] {CLOSE_IT} there.</think>No.", "", "No."),
]


@every_format
@pytest.mark.parametrize(("text", "prompt_end", "said"), THOUGHTS)
def test_no_call_stands_in_a_thought(
    format: ToolCallFormat | None, text: str, prompt_end: str, said: str
) -> None:
    answer = read(text, format, prompt_end)
    assert answer.calls == ()
    assert answer.text.strip() == said


@every_format
@pytest.mark.parametrize("opened", ["<think>", "Let me see.<think>", "[THINK]", "<think>a</think>b<think>"])
def test_no_call_stands_in_an_open_thought(format: ToolCallFormat | None, opened: str) -> None:
    answer = read(f"{opened}I could write {CLOSE_IT} but", format)
    assert answer.calls == ()
    assert answer.open_thought
    assert "close_account" not in answer.text


@every_format
def test_a_call_that_ends_an_open_thought_is_not_made_and_not_lost(format: ToolCallFormat | None) -> None:
    answer = read(f"<think>I close it.\n{CLOSE_IT}", format)
    assert made(answer) == []
    assert [call.tool for call in answer.malformed] == ["close_account"]


@every_format
def test_a_call_before_a_thought_is_not_made_and_not_lost(format: ToolCallFormat | None) -> None:
    for rest in ("No.</think>No.", "No.", "One</think><think>and another</think>No."):
        answer = read(f"{CLOSE_IT}<think>Or not? {rest}", format)
        assert made(answer) == []
        assert [call.tool for call in answer.malformed] == ["close_account"]


@every_format
def test_a_mark_of_a_thought_in_an_argument_is_data(format: ToolCallFormat | None) -> None:
    """Also where a later call of the same answer breaks off."""
    first = '[TOOL_CALLS]close_account[ARGS]{"owner": "</think>"}'
    answer = read(f"{first}[TOOL_CALLS]list_accounts[ARGS]{{}}[TOOL_CALLS]pay[AR", format)
    assert made(answer) == [("close_account", {"owner": "</think>"}), ("list_accounts", {})]
    assert [call.tool for call in answer.malformed] == [""]


@every_format
def test_a_call_after_the_last_thought_is_made(format: ToolCallFormat | None) -> None:
    call = '<tool_call>{"name":"pay","arguments":{"to":"bob","amount":5}}</tool_call>'
    answer = read(f"{CLOSE_IT}? No.\n</think>\n\n{call}", format, "<think>\n")
    assert made(answer) == PAY
    assert answer.malformed == ()
