"""The reference has every public name, each with a sentence, and records describe their fields."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
from helpers.documented import undocumented
from pydantic import BaseModel

from artis_sdk import records
from artis_sdk.records import events

PAGES = sorted((Path(__file__).parent.parent / "docs" / "reference").glob("*.md"))
REFERENCED = sorted({name for page in PAGES for name in re.findall(r"^::: (\S+)", page.read_text(), re.M)})
PUBLIC = ["backends", "commit", "contracts", "errors", "logs", "loop.limits", "loop.strategies", "records"]
PUBLIC += ["records.events", "simulators", "simulators.forks", "tools", "trainers.agent", "trainers.dataset"]
TRAINED = {"trainers.agent"}
"""Needs what trains; `tests/engines/torch/test_programs_train.py` asks for it."""
PUBLIC += ["trainers.failure_modes", "trainers.generate", "trainers.simulator", "workers"]


def test_every_public_module_has_its_page() -> None:
    assert {f"artis_sdk.{name}" for name in PUBLIC} <= set(REFERENCED)


@pytest.mark.parametrize("name", [name for name in PUBLIC if name not in TRAINED])
def test_every_public_name_has_a_sentence(name: str) -> None:
    assert undocumented(f"artis_sdk.{name}") == []


RECORDS = sorted(
    {
        value
        for module in (records, events)
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, BaseModel) and value is not BaseModel
    },
    key=lambda record: record.__name__,
)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_fields_of_records_are_described_in_their_schemas(record: type[BaseModel]) -> None:
    properties = record.model_json_schema()["properties"]
    assert [name for name, of in properties.items() if not of.get("description") and name != "kind"] == []
