"""canitoolcall's 469 outputs of nine families, read: https://github.com/redd34/canitoolcall."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest

from artis_sdk.backends.tool_formats import ToolCallFormat, read_answer
from artis_sdk.backends.tool_formats.hermes import HERMES
from artis_sdk.backends.tool_formats.llama import LLAMA
from artis_sdk.backends.tool_formats.mistral import MISTRAL
from artis_sdk.records import ToolSpec

pytest.importorskip("canitoolcall", reason="needs the dev extra")

FORMATS: dict[str, ToolCallFormat] = {"qwen3-hermes": HERMES, "mistral": MISTRAL, "llama": LLAMA}


def fixtures() -> Iterator[dict[str, Any]]:
    """Every output, with the end of its prompt."""
    for family in sorted(
        (files("canitoolcall") / "_data" / "fixtures").iterdir(), key=lambda path: path.name
    ):
        if not family.is_dir():
            continue
        models = json.loads((family / "family.json").read_text())["reference_models"]
        prompts = {model["repo"]: model["default_generation_prompt"] for model in models}
        for file in family.iterdir():
            if file.name.endswith(".jsonl"):
                for line in file.read_text().splitlines():
                    fixture = json.loads(line)
                    yield {"generation_prompt": prompts.get(fixture["models"][0], ""), **fixture}


def judged(fixture: dict[str, Any]) -> str:
    """`right`, or what is wrong with the calls that are read."""
    functions = [entry["function"] for entry in fixture["tools"]]
    tools = [
        ToolSpec(name=f["name"], parameters=f.get("parameters") or {"type": "object"}) for f in functions
    ]
    pythonic = "x-llama-pythonic" in fixture["tags"]
    format = None if pythonic else FORMATS.get(fixture["family"])
    answer = read_answer(fixture["raw_output"], tools, format, fixture["generation_prompt"])
    expected = fixture.get("expected", {"tool_calls": []})["tool_calls"]
    written = [(call["name"], call["arguments"]) for call in expected]
    calls = [(call.tool, call.arguments) for call in answer.calls if call.malformed is None]
    if exact(calls) == exact(written):
        return "right"
    if any(exact(call) not in map(exact, written) for call in calls):
        return "other arguments"
    return "malformed" if answer.malformed else "lost in silence"


def exact(value: Any) -> str:
    """Comparable with types: 1 is not True."""
    return json.dumps(value, sort_keys=True)


def test_at_least_460_of_469_are_right_and_every_other_one_is_told() -> None:
    found: dict[str, Counter[str]] = {}
    for fixture in fixtures():
        found.setdefault(fixture["family"], Counter())[judged(fixture)] += 1
    total = sum(found.values(), Counter[str]())
    print({family: dict(counts) for family, counts in found.items()})
    assert total.total() == 469
    assert total["right"] >= 460, found
    assert total["right"] + total["malformed"] == 469, found
