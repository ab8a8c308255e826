"""Answers of real models, read: nothing is lost in silence, and nothing is made that was not written.

The inputs are those of public reports; the numbers name the repository's issue.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from helpers.family_answers import FAMILIES, OBJECT
from helpers.read_answers import PAY, TOOLS, every_format, made, read
from hypothesis import given, settings
from hypothesis import strategies as st

from artis_sdk.backends.tool_formats import FORMATS, TEXT, ToolCallFormat, read_answer
from artis_sdk.backends.tool_formats.harmony_format import HARMONY
from artis_sdk.backends.tool_formats.hermes import HERMES
from artis_sdk.backends.tool_formats.llama import LLAMA
from artis_sdk.backends.tool_formats.mistral_named import MISTRAL_NAMED
from artis_sdk.records.thinking import outside_thoughts

# --- arguments ----------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["arguments", "parameters", "args", "params", "input"])
@pytest.mark.parametrize("wrap", ["{}", "<tool_call>{}</tool_call>", "```json\n{}\n```"])
def test_arguments_are_read_under_every_key_that_models_write(key: str, wrap: str) -> None:
    for call in (
        f'{{"name":"delete_logs","{key}":{{"older_than_days":30}}}}',
        f'{{"function":{{"name":"delete_logs","{key}":{{"older_than_days":30}}}}}}',  # groq-typescript 103
        f'{{"{key}":"{{\\"older_than_days\\":30}}","name":"delete_logs","id":"1","type":"function"}}',
    ):
        answer = read(wrap.replace("{}", call))
        assert made(answer) == [("delete_logs", {"older_than_days": 30})], call


@pytest.mark.parametrize(
    "call",
    [
        '{"name":"delete_logs","older_than_days":30}',
        '{"name":"delete_logs","arguments":{},"older_than_days":30}',
        '{"name":"delete_logs","arg":{"older_than_days":30}}',
        '{"function":{"name":"delete_logs"},"arguments":{"older_than_days":30}}',
        '{"name":"delete_logs","arguments":{"older_than_days":30},"args":{"older_than_days":3}}',
        '{"name":"delete_logs","arguments":{"older_than_days":30,"older_than_days":300}}',
        '{"name":"delete_logs","arguments":"{\\"older_than_days\\":30,\\"older_than_days\\":300}"}',
        '{"name":"delete_logs","arguments":{"older_than_days":1e999}}',
        '{"name":"delete_logs","arguments":{"older_than_days":Infinity}}',
        '{"name":"delete_logs","arguments":{"older_than_days":NaN}}',
        '{"name":"delete_logs","arguments":[30]}',
        '{"name":"delete_logs","arguments":"thirty"}',
        '{"name":"delete_logs","arguments":{"older_than_days":30}',
        '{"name":"delete_logs","arguments":{"older_than_days":30}}}',
        '{"delete_logs":{"older_than_days":30}}',
        '{"name":"delete_logs","arguments":{\'older_than_days\':30}}',
    ],
)
@pytest.mark.parametrize("wrap", ["{}", "<tool_call>{}</tool_call>", "```json\n{}\n```", "[TOOL_CALLS][{}]"])
@every_format
def test_arguments_that_are_not_certain_are_never_made_up(
    format: ToolCallFormat | None, wrap: str, call: str
) -> None:
    answer = read(wrap.replace("{}", call), format)
    assert made(answer) == []
    assert answer.malformed, "lost in silence"
    assert all(call.raw for call in answer.malformed)


@pytest.mark.parametrize(
    "text",
    [
        "[TOOL_CALLS]delete_logs[ARGS]{DAYS}",
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>delete_logs<｜tool▁sep｜>{DAYS}<｜tool▁call▁end｜>",
        "<|tool_call_begin|>functions.delete_logs:0<|tool_call_argument_begin|>{DAYS}<|tool_call_end|>",
        "<|channel|>commentary to=functions.delete_logs <|constrain|>json<|message|>{DAYS}<|call|>",
        "<function=delete_logs>{DAYS}</function>",
    ],
)
def test_arguments_behind_a_name_are_read_with_the_same_care(text: str) -> None:
    good = read(text.replace("DAYS", '"older_than_days":30'))
    assert made(good) == [("delete_logs", {"older_than_days": 30})]
    for wrong in (
        '"older_than_days":30,"older_than_days":300',
        '"older_than_days":1e999',
        '"older_than_days":',
        "older_than_days=30",
    ):
        answer = read(text.replace("DAYS", wrong))
        assert made(answer) == []
        assert [call.tool for call in answer.malformed] == ["delete_logs"]


# --- families -----------------------------------------------------------------------------------


@pytest.mark.parametrize("text", FAMILIES.values(), ids=list(FAMILIES))
def test_every_family_is_read_whatever_the_template_teaches(text: str) -> None:
    for format in (None, *FORMATS):
        answer = read(text, format)
        assert made(answer) == PAY, format
        assert answer.malformed == ()


@pytest.mark.parametrize("text", FAMILIES.values(), ids=list(FAMILIES))
def test_a_call_that_breaks_off_anywhere_is_never_another_call(text: str) -> None:
    for length in range(len(text)):
        answer = read(text[:length])
        assert made(answer) in ([], PAY)
        if '"pay"' in text[:length] and not made(answer):
            assert answer.malformed, text[:length]


@pytest.mark.parametrize("text", FAMILIES.values(), ids=list(FAMILIES))
def test_a_call_of_another_tool_is_no_call_of_an_offered_one(text: str) -> None:
    answer = read_answer(text.replace("pay", "sing"), TOOLS)
    assert all(call.tool == "sing" for call in answer.calls)  # the actor answers that there is no such tool


# --- further reports ----------------------------------------------------------------------------

READ = {
    "vllm 39069: quotes inside Gemma's": (
        '<|tool_call>call:write_file{path:<|"|>a<|"|>,content:<|"|>She said "hello" loudly<|"|>}<tool_call|>',
        [("write_file", {"path": "a", "content": 'She said "hello" loudly'})],
    ),
    "vllm 22885: the last braces": (
        '<tool_call>\n{"name": "write_file", "arguments": {"path": "a", "content": "{}}"}}\n</tool_call>',
        [("write_file", {"path": "a", "content": "{}}"})],
    ),
    "vllm 47901: a call behind one without arguments": (
        f'[{{"name": "list_accounts", "arguments": {{}}}}, {OBJECT}]',
        [("list_accounts", {}), *PAY],
    ),
    "vllm 55495: two lines in a value": (
        "<tool_call>\n<function=write_file>\n<parameter=path>\na\n</parameter>\n<parameter=content>\n"
        "timeout 7\n7\necho $A;\n</parameter>\n</function>\n</tool_call>",
        [("write_file", {"path": "a", "content": "timeout 7\n7\necho $A;"})],
    ),
    "llama.cpp 26608: GLM's arguments with and without line breaks": (
        "<tool_call>pay<arg_key>to</arg_key>\n<arg_value>bob</arg_value><arg_key>amount</arg_key>\n"
        "<arg_value>5</arg_value>\n</tool_call>",
        PAY,
    ),
    "lmstudio 1528: GLM's calls one behind the other": (
        "<tool_call>close_account<arg_key>owner</arg_key><arg_value>a</arg_value></tool_call>\n"
        "<tool_call>close_account<arg_key>owner</arg_key><arg_value>b</arg_value></tool_call>",
        [("close_account", {"owner": "a"}), ("close_account", {"owner": "b"})],
    ),
    "lmstudio 1979: LFM2": (
        '<|tool_call_start|>[close_account(owner="bob")]<|tool_call_end|>',
        [("close_account", {"owner": "bob"})],
    ),
    "lmstudio 2115: Qwen's tags in the content": (
        "<tool_call>\n<function=close_account>\n<parameter=owner>\nbob\n</parameter>\n</function>\n</tool_call>",
        [("close_account", {"owner": "bob"})],
    ),
    "mlx-lm 1416: MiniMax M3": (
        'I pay.]<]minimax[>[<tool_call>\n]<]minimax[>[<invoke name="pay">\n'
        "]<]minimax[>[<to>bob]<]minimax[>[</to>\n]<]minimax[>[<amount>5]<]minimax[>[</amount>\n"
        "]<]minimax[>[</invoke>\n]<]minimax[>[</tool_call>",
        PAY,
    ),
    "omlx 2565, thane 21: bare JSON of Qwen2.5-Coder and Granite": (OBJECT, PAY),
    "sglang 41317: blanks at the ends of DeepSeek's strings": (
        '<｜DSML｜tool_calls>\n<｜DSML｜invoke name="close_account">\n<｜DSML｜parameter name="owner" '
        'string="true">  bob\n</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>',
        [("close_account", {"owner": "  bob\n"})],
    ),
    "sglang 41316: Gemma's null and exponents": (
        "<|tool_call>call:pay{to:null,amount:1e2}<tool_call|>",
        [("pay", {"to": None, "amount": 100.0})],
    ),
    "ollama 18659: a closing tag in GLM's value": (
        "<tool_call>close_account<arg_key>owner</arg_key><arg_value>a </tool_call> b</arg_value></tool_call>",
        [("close_account", {"owner": "a </tool_call> b"})],
    ),
    "vllm 30722: nested lists of Llama 4": (
        '[write_file(path="a", content=[["x", "y"], ["z"]])]',
        [("write_file", {"path": "a", "content": [["x", "y"], ["z"]]})],
    ),
    "ollama 17274: a name that no tool has": (
        '<tool_call>\n{"name": "Pay somebody", "arguments": {"to": "bob"}}\n</tool_call>',
        [("Pay somebody", {"to": "bob"})],  # answered with "there is no tool named", not dropped
    ),
}
TOLD = {
    "vllm 49248: GLM without <arg_value>": "<tool_call>close_account<arg_key>owner</arg_key>bob</arg_value>"
    "</tool_call>",
    "vllm 30722: Llama 4 without its last bracket": '[pay(to="bob", amount=5)',
    "exo 1757: a wrong separator of Kimi's": "<|tool_calls_section_begin|><|tool_call_begin|>"
    'functions.pay!166{"to": "bob"}<|tool_call_end|><|tool_calls_section_end|>',
    "lmstudio 942: gpt-oss without the last brace": "<|start|>assistant<|channel|>commentary to=functions.pay"
    '<|constrain|>json<|message|>{"to": {"a": {"b": "bob"}',
    "q27 24: the first tag is garbled": "<name>pay\n</parameter>\n<parameter=to>\nbob\n</parameter>\n"
    "</function>",
    "GLM-Free-API 44: marks with other names": f"TOOL_CALL_BLOCK>>>\n{OBJECT}\n<<<END_TOOL_CALL_BLOCK>>>",
    "lmstudio 1177: MiniMax's other form": '[TOOL_CALL]{tool => "pay", args => {--to "bob"}}[/TOOL_CALL]',
    "smolagents 1119: a Python dictionary": "{'name': 'pay', 'arguments': {'to': 'bob'}}",
    "a key for two": '{"name": "pay", "tool": "close_account", "arguments": {}}',
    "a comment": '{"name": "pay", "arguments": {"to": "bob", /* euros */ "amount": 5}}',
    "Apriel's yaml": "<tool_calls>\n- name: pay\n  arguments: {to: bob}\n</tool_calls>",
    "a garbled tag between two arguments": "<function=pay>\n<parameter=to>\nbob\n</parameter>\n"
    "parameter=amount>\n5\n</parameter>\n</function>",
    "Mistral's arguments go on behind their end": '[TOOL_CALLS]pay[ARGS]{}to": "bob", "amount": 5}',
    "a value cut at its own closing tag": "<function=write_file><parameter=content>a</parameter></function>"
    "</parameter></function>",
}


@pytest.mark.parametrize(("text", "calls"), READ.values(), ids=list(READ))
def test_what_servers_lost_or_changed_is_read(text: str, calls: list[tuple[str, dict[str, Any]]]) -> None:
    for format in (None, *FORMATS):
        answer = read(text, format)
        assert made(answer) == calls
        assert answer.malformed == ()


@pytest.mark.parametrize("text", TOLD.values(), ids=list(TOLD))
def test_what_cannot_be_read_is_told(text: str) -> None:
    for format in (None, *FORMATS):
        answer = read(text, format)
        assert made(answer) == []
        assert answer.malformed, format


# --- what is no call ----------------------------------------------------------------------------


@every_format
@pytest.mark.parametrize(
    "text",
    [
        "I would pay Bob, but list_accounts shows that the account is empty.",
        'The tool "pay" needs "to" and "amount".',
        "Use pay(to, amount) for that.",
        '{"capital": "Paris", "country": "France"}',
        '{"a": 1} is a dict',
        '{"name": "Bob", "balance": 5}',
        '[{"name": "Bob"}, {"name": "Ann"}]',
        '```json\n{"status": "ok"}\n```',
        "{}",
        "[]",
        '{"parameters": {}}',
        "Paid. New balance: {5}.",
        "[1] The first source.",
        "A < b and <b>bold</b>, [ARGS] and all.",
    ],
)
def test_words_and_other_json_are_no_calls(format: ToolCallFormat | None, text: str) -> None:
    answer = read(text, format)
    assert answer.calls == ()
    assert answer.text == text


@pytest.mark.parametrize(
    "text",
    [
        f"I made the call {OBJECT} and it worked.",
        f"```json\n{OBJECT}\n```\nThis will pay Bob.",
        f"Either\n```json\n{OBJECT}\n```\nor\n```json\n{OBJECT}\n```",
        f'{{"log": [{OBJECT}]}}',
        f'{OBJECT}\n{{"name": "pay", "arguments": {{"to": "ann"',
        f"<tool_call>{OBJECT}</tool_call>\n{OBJECT}",
        'pay(to="bob", amount=5)',
        '{"name": "pay", "arguments": {"to": "bob", "amount": 5}',
    ],
)
def test_a_call_that_may_be_a_quotation_is_told_and_not_made(text: str) -> None:
    answer = read(text)
    assert answer.malformed
    assert len(made(answer)) <= text.startswith("<tool_call>")


def test_a_tool_that_does_not_exist_is_told() -> None:
    (call,) = read('{"name": "send_money", "arguments": {"to": "bob"}}').calls
    assert (call.tool, call.malformed) == ("send_money", "there is no such tool")
    assert made(read('{"name": "send_money", "parameters": {"to": "bob"}}', LLAMA)) == [
        ("send_money", {"to": "bob"})
    ]  # the actor answers that there is no such tool, and what it is called


@pytest.mark.parametrize(
    ("prompt_end", "text"),
    [
        ("<|im_start|>assistant\n<tool_call>\n", f"{OBJECT}\n</tool_call>"),
        ("<|im_start|>assistant\n<tool_call>\n{", f"{OBJECT[1:]}\n</tool_call>"),
        ("[/INST][TOOL_CALLS]", f"[{OBJECT}]"),
        ("<|im_start|>assistant\n[", 'pay(to="bob", amount=5)]'),
        ('<|im_start|>assistant\n{"name": "', OBJECT[10:]),
    ],
)
def test_a_call_that_the_prompt_began_is_read_as_a_whole(prompt_end: str, text: str) -> None:
    assert made(read(text, None, prompt_end)) == PAY


# --- laws ---------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        "pay", '"pay"', "list_accounts", "{", "}", "[", "]", '"name"', '"arguments"', ":", ",", '"',
        "\n", " ", "```json", "```", "<think>", "</think>", "<tool_call>", "</tool_call>",
        "<function=", "</function>", "<parameter=", "</parameter>", "[TOOL_CALLS]", "[ARGS]",
        "<|python_tag|>", "<|channel|>", "<|message|>",
        "<invoke name=", "<arg_key>", "</arg_value>", "<|tool_call>call:", "(", ")", "a=1", "5", "\\", "ü",
        OBJECT, *list(FAMILIES.values())[:12],
    ]
)  # fmt: skip
WORDS = st.lists(st.sampled_from(["Bob", "has", "5", "euros", "{", "}", '"name"', ":", '"Bob"', "[1]", "\n"]))
OTHER_JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text()
    | st.sampled_from(["</think>", OBJECT]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(PIECES, max_size=20).map("".join), st.sampled_from([None, *FORMATS]), st.booleans())
def test_any_text_is_read(text: str, format: ToolCallFormat | None, thinking: bool) -> None:
    answer = read(text, format, "<think>\n" if thinking else "")
    assert len({call.id for call in answer.calls}) == len(answer.calls)
    if not answer.calls:
        assert answer.open_thought or answer.said == text or "<|channel|>" in text


@given(
    WORDS.map(" ".join),
    OTHER_JSON.map(json.dumps),
    WORDS.map(" ".join),
    st.sampled_from([None, TEXT, HERMES]),
)
def test_no_call_comes_of_words_and_json_about_something_else(
    before: str, value: str, after: str, format: ToolCallFormat | None
) -> None:
    for text in (before + value + after, value, f"{before}\n```json\n{value}\n```\n{after}"):
        assert read(text, format).calls == ()


@settings(max_examples=60)
@given(
    st.dictionaries(st.text(min_size=1, max_size=8), VALUES, max_size=3), st.sampled_from([None, *FORMATS])
)
def test_arguments_are_the_written_ones_or_none_are_made(
    arguments: dict[str, Any], format: ToolCallFormat | None
) -> None:
    text = json.dumps({"name": "pay", "arguments": arguments}, ensure_ascii=False)
    for wrapped in (
        text,
        f"```json\n{text}\n```",
        f"<tool_call>\n{text}\n</tool_call>",
        f"<TOOLCALL>[{text}]",
    ):
        answer = read(wrapped, format)
        assert made(answer) in ([], [("pay", arguments)])
        assert answer.calls, "lost in silence"
    assert made(read(text, format)) == [("pay", arguments)]
    named = f"[TOOL_CALLS]pay[ARGS]{json.dumps(arguments)}"
    assert made(read(named, MISTRAL_NAMED)) == [("pay", arguments)]


def test_a_thought_of_gpt_oss_is_no_part_of_its_final_answer() -> None:
    text = "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Done."
    answer = read(text, HARMONY)
    assert answer.text == "Done."
    assert outside_thoughts(answer.said) == "Done."
