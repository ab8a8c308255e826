"""Whether a text that is no call holds one."""

from __future__ import annotations

import pytest
from helpers.odd_answers import BARE, CALL_TEXT

from artis_sdk.loop.call_marks import holds_call

WORDS = [
    "Paid 5 to Bob.",
    "I called pay(owner='bob') for you, and it worked.",
    "The tool `pay` takes owner and amount.",
    '{"name": "bob", "arguments": "none"}',
    '{"paid": true, "amount": 5}',
    '```json\n{"owner": "bob"}\n```',
    "Bob's balance is [5, 6].",
    "Use <b>pay</b> to pay.",
]
IN_WORDS = [
    CALL_TEXT,
    BARE,
    f"```json\n{BARE}\n```",
    f"I will do that.\n{BARE}\n{BARE}",
    '{"name":"pay","owner":"bob"}',
    '[{"name": "pay", "arguments": {}}]',
    '{"function": "pay", "parameters": {"owner": "bob"}}',
    '{"tool": "pay", "tool_input": {}}',
    "{'name': 'pay', 'arguments': {'owner': 'bob'}}",
    '{"name": "functions.pay", "arguments": {"owner": "b',
    "<tool_call>pay<arg_key>owner</arg_key>",
    "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function",
    "<|tool_calls_section_begin|><|tool_call_begin|>functions.pay:0",
    "<|channel|>commentary to=functions.pay <|constrain|>json<|message|>{}",
    '[TOOL_CALLS][{"name": "pay"}]',
    '<|python_tag|>pay.call(owner="bob")',
    "[pay(owner='bob'), pay(owner='ann')]",
    "```python\npay(owner='bob')\n```",
    "functions.pay(owner='bob')",
    "<start_function_call>call:pay{owner:bob}",
    "<minimax:tool_call>",
    "<seed:tool_call><function=pay>",
    "<TOOLCALL>[{}]</TOOLCALL>",
    'functools[{"name": "pay", "arguments": {}}]',
    "<|tool_call|>[{}]",
    "<|START_ACTION|>[{}]<|END_ACTION|>",
    "<tool_code>pay()</tool_code>",
    "```tool_code\npay()\n```",
    "<|DSML|invoke",
]


@pytest.mark.parametrize("text", WORDS)
def test_words_are_words(text: str) -> None:
    assert not holds_call(text, {"pay", "list.all"})


@pytest.mark.parametrize("text", IN_WORDS)
def test_a_call_in_words_is_found(text: str) -> None:
    assert holds_call(text, {"pay", "list.all"})
    assert not holds_call(text, set()), "without tools nothing is a call"
