"""Damaged exports: whatever stands in a field, an import reads it, leaves the call out, or names the line."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from helpers.importers import records, rest, shown, write
from helpers.trace_calls import Variant
from helpers.trace_files import VARIANTS
from logs.test_importers_accounting import EXAMPLE, calls_of

from artis_sdk.logs import CallLog
from artis_sdk.logs.importers import import_file

ODD: list[Any] = [
    None,
    True,
    0,
    3.5,
    "",
    "{",
    "[]",
    [],
    {},
    [None],
    {"a": {"b": [1]}},
    "\ud83d",
    '{"a": "\ud83d"}',
]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of everything in a JSON value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        yield (*path, key)
        yield from places(inner, (*path, key))


def damaged(lines: list[Any], random: Random) -> list[Any]:
    """The lines with up to three of their parts replaced or removed."""
    made = copy.deepcopy(lines)
    for _ in range(random.randint(1, 3)):
        *way, last = random.choice(list(places(made)))
        holder: Any = made
        for key in way:
            holder = holder[key]
        if random.random() < 0.3 and len(way) > 1:
            del holder[last]
        else:
            holder[last] = copy.deepcopy(random.choice(ODD))
    return made


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: f"{variant.format}-{variant.name}")
def test_no_damage_ends_an_import_without_its_line(tmp_path: Path, variant: Variant) -> None:
    random = Random(f"{variant.format} {variant.name}")
    whole = write(tmp_path / "whole.jsonl", *variant.write(calls_of(variant, EXAMPLE)))
    lines = [json.loads(line) for line in whole.read_text().splitlines()]
    with CallLog(tmp_path / "calls.db") as log:
        for n in range(25):
            path = write(tmp_path / f"{n}.jsonl", *damaged(lines, random))
            done = import_file(path, log, variant.format, skip_corrupt=True)
            assert all(str(error).startswith(f"{path}:") for error in done.skipped)


def test_half_an_emoji_in_arguments_and_results(tmp_path: Path) -> None:
    """As a model writes it that is cut: raw, and escaped within the JSON text."""
    for arguments in ('{"at": "\ud83d"}', '{"at": "\\ud83d"}'):
        call = {"id": "1", "type": "function", "function": {"name": "look", "arguments": arguments}}
        chat = [
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "1", "content": '{"seen": "\ud83d"}'},
        ]
        path = write(tmp_path / "c.jsonl", {"messages": chat})
        assert shown(records(path, "messages")) == [
            ("look", {"at": "\\ud83d"}, "success", {"seen": "\\ud83d"})
        ]


def test_a_message_whose_type_is_no_text(tmp_path: Path) -> None:
    path = write(tmp_path / "c.jsonl", {"messages": [{"type": {"a": 1}}]})
    assert rest(path, "messages") == [
        f"{path}:1: not a transcript: not every one of its `messages` is a message"
    ]


def test_a_tick_whose_calls_are_no_list(tmp_path: Path) -> None:
    ticks = {"id": "s", "ticks": [{"agent_tool_calls": 3.5}]}
    path = write(tmp_path / "c.jsonl", {"simulations": [ticks]})
    assert rest(path, "tau2") == [f"{path}:1: agent_tool_calls of a tick is not a list: 3.5"]
