"""The reference has every public name, each with a sentence, and records describe their fields."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from artis_sdk import records
from artis_sdk.records import events

PAGES = sorted((Path(__file__).parent.parent / "docs" / "reference").glob("*.md"))
REFERENCED = sorted({name for page in PAGES for name in re.findall(r"^::: (\S+)", page.read_text(), re.M)})
PUBLIC = ["backends", "commit", "contracts", "errors", "logs", "loop.limits", "loop.strategies", "records"]
PUBLIC += ["records.events", "simulators", "simulators.forks", "tools", "trainers.agent", "trainers.dataset"]
PUBLIC += ["trainers.failure_modes", "trainers.generate", "trainers.simulator"]


def members(kind: type[Any]) -> list[tuple[str, Any]]:
    """The public methods and properties that a class defines itself."""
    found = []
    for name, value in vars(kind).items():
        if isinstance(value, classmethod | staticmethod):
            value = value.__func__
        elif isinstance(value, property):
            value = value.fget
        if not name.startswith("_") and inspect.isfunction(value):
            found.append((name, value))
    return found


def test_every_public_module_has_its_page() -> None:
    assert {f"artis_sdk.{name}" for name in PUBLIC} <= set(REFERENCED)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_has_a_sentence(name: str) -> None:
    module = import_module(f"artis_sdk.{name}")
    without = []
    for public in getattr(module, "__all__", ()):
        value = getattr(module, public)
        if inspect.isclass(value):
            known = {name for base in value.__mro__[1:] for name, own in members(base) if own.__doc__}
            bare = {name for name, own in members(value) if not own.__doc__} - known
            without += [f"{public}.{name}" for name in sorted(bare)]
        if (inspect.isclass(value) or inspect.isfunction(value)) and not value.__doc__:
            without.append(public)
    assert without == []


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
