"""The structural tags of every family, compiled by xgrammar: what is written is admitted and read back."""

from __future__ import annotations

import json

import pytest
from helpers.families import CALLS, TOOLS, named, read, text_of

from artis_sdk.backends.tool_formats import FORMATS, ToolCallFormat
from artis_sdk.backends.vllm.structural_tags import free_tag, held_tag
from artis_sdk.records import ToolCall

xgrammar = pytest.importorskip("xgrammar")
testing = pytest.importorskip("xgrammar.testing")
pytestmark = pytest.mark.engine


@pytest.mark.parametrize("format", FORMATS, ids=named)
@pytest.mark.parametrize("way", ["held", "free", "behind a thought"])
def test_a_tag_admits_calls_that_fit(format: ToolCallFormat, way: str) -> None:
    thinking = way == "behind a thought"
    openings = format.openings(TOOLS)
    tag = held_tag(format.form(TOOLS)) if way == "held" else free_tag(openings, thinking=thinking)
    grammar = xgrammar.Grammar.from_structural_tag(json.dumps(tag))
    before = "Hm.</think>\n" if thinking else ""
    for calls in CALLS[:1] if format.one_call else CALLS:
        text = text_of(format, calls)
        assert testing._is_grammar_accept_string(grammar, before + text), text
        assert read(format, text) == calls
    wrong = format.write([ToolCall(tool="pay", arguments={"to": "bob"})])
    assert not testing._is_grammar_accept_string(grammar, before + wrong), wrong
