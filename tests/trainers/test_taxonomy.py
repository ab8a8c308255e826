"""The failure taxonomy: what the source says of how tools fail, and which mode an outcome is."""

from __future__ import annotations

import importlib.util
import math
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from helpers import failing_tools
from helpers.failing_tools import Shop

from artis_sdk.records import Outcome, Provenance, ToolCall
from artis_sdk.tools import Toolset, guarded_tool
from artis_sdk.trainers.failure_modes.taxonomy import Taxonomy

FILE = Path(failing_tools.__file__)


@pytest.fixture(scope="module")
def taxonomy() -> Taxonomy:
    return Taxonomy(Toolset.from_object(Shop()))


def marked() -> set[tuple[str, int]]:
    """Tool and line of every failure, as the marks in the file have it."""
    found: set[tuple[str, int]] = set()
    for number, line in enumerate(FILE.read_text().splitlines(), 1):
        mark = re.search(r"# fails: ([a-z, ]+)", line)
        if mark:
            found |= {(tool.strip(), number) for tool in mark[1].split(",")}
    return found


def test_every_statement_that_fails_is_found_and_no_other(taxonomy: Taxonomy) -> None:
    assert {(mode.tool, mode.site.line) for mode in taxonomy} == marked()
    assert all(Path(mode.site.file).name == FILE.name for mode in taxonomy)
    assert taxonomy.tools["safe"].modes == ()
    assert {s.name for s in taxonomy.tools["safe"].functions} == {"Shop.safe", "priced"}


@pytest.mark.parametrize(
    ("tool", "label", "condition"),
    [
        ("buy", "ShopError: the shop is closed", "not self.open"),
        ("buy", "<*> is more than you have", "total > self.cash"),
        ("buy", "SoldOut: only <*> of <*>", "self.stock[item] < count"),
        ("buy", "LookupError: <*> has no price", "item not in prices"),
        ("buy", "invalid_arguments: <*>count<*>greater than or equal to 1<*>", "count: ge=1"),
        ("reserve", "an item needs a name", "item == ''"),
        ("reserve", "there is no <*>", "except KeyError"),
        ("close", "ShopError: the code is no number", "except ValueError"),
        ("close", "AssertionError: unlucky", "not (number != 13)"),
        ("close", "zero opens it", "number is 0"),
        ("cancel", "no order <*>", "low"),
        ("cancel", "far too high", "not (low)"),
        ("note", "ValidationError: <*>count<*>greater than 0<*>", "count: gt=0"),
        ("note", "invalid_arguments: <*>tone<*>should be <*>", "tone in ['kind', 'stern']"),
    ],
)
def test_a_mode_says_what_fails_and_when(taxonomy: Taxonomy, tool: str, label: str, condition: str) -> None:
    assert condition in [mode.site.condition for mode in taxonomy.tools[tool].modes if mode.label == label]


def test_the_way_to_a_helpers_failure_is_named(taxonomy: Taxonomy) -> None:
    paths = {(mode.tool, mode.type): mode.path for mode in taxonomy}
    assert paths["buy", "SoldOut"] == paths["reserve", "SoldOut"] == ("Shop._taken",)
    assert paths["buy", "LookupError"] == ("priced",)
    assert paths["buy", "ShopError"] == ()


# --- outcomes ---------------------------------------------------------------------------------


def matched(taxonomy: Taxonomy, tool: str, outcome: Outcome) -> list[str]:
    return [mode.label for mode in taxonomy.match(ToolCall(tool=tool, arguments={}), outcome)]


def raised(type_: str, message: str) -> Outcome:
    return Outcome.failure(type_, message, Provenance.REAL, raised=True)


def test_an_outcome_is_the_mode_whose_words_it_shows(taxonomy: Taxonomy) -> None:
    assert matched(taxonomy, "buy", raised("SoldOut", "only 3 of apple")) == ["SoldOut: only <*> of <*>"]
    assert matched(taxonomy, "buy", raised("ShopError", "the shop is closed")) == [
        "ShopError: the shop is closed"
    ]
    said = Outcome.success({"error": "12 is more than you have"}, Provenance.REAL)
    assert matched(taxonomy, "buy", said) == ["<*> is more than you have"]
    assert matched(taxonomy, "cancel", Outcome.success([{"error": "no order 7"}], Provenance.REAL)) == [
        "no order <*>"
    ]
    said = Outcome.success({"status": False, "error": "an item needs a name"}, Provenance.REAL)
    assert matched(taxonomy, "reserve", said) == ["an item needs a name"]


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome.success({"paid": 4}, Provenance.REAL),
        raised("SoldOut", "all gone"),
        raised("OSError", "the shop is closed or so"),
    ],
)
def test_what_no_statement_says_is_no_mode(taxonomy: Taxonomy, outcome: Outcome) -> None:
    assert matched(taxonomy, "buy", outcome) == []


def test_a_tool_that_is_not_there_has_no_modes(taxonomy: Taxonomy) -> None:
    assert matched(taxonomy, "fly", raised("SoldOut", "only 3 of apple")) == []


# --- source that is gone, or is not what runs ------------------------------------------------------

MODULE = '''
from artis_sdk.tools import guarded_tool
from helping import check

@guarded_tool
def fly(height: int) -> str:
    """Fly."""
    check(height)
    if height > 9:
        raise ValueError("too high")
    return "flying"
'''
HELPER = """
def check(height):
    if height < 0:
        raise ValueError("too low")
"""


@pytest.fixture
def flying(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    (tmp_path / "helping.py").write_text(HELPER)
    (tmp_path / "flying.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    spec = importlib.util.spec_from_file_location("flying", tmp_path / "flying.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.modules.pop("helping")


def read(module: ModuleType) -> tuple[list[str], list[str]]:
    found = Taxonomy(Toolset(module.fly)).tools["fly"]
    return [mode.label for mode in found.modes], found.notes


def test_source_that_is_there_has_its_modes(flying: ModuleType) -> None:
    assert read(flying) == (["ValueError: too high", "ValueError: too low"], [])


def test_source_that_is_gone_is_a_note(flying: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "flying.py").unlink()
    assert read(flying) == ([], ["no source: flying.py cannot be read"])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (MODULE.replace("too high", "much too high"), "changed after it was loaded; import it again"),
        (MODULE.replace("> 9", "> 8"), "changed after it was loaded; import it again"),
        ("\n" + MODULE, "changed after it was loaded; import it again"),
        ("def fly(:", "changed after it was loaded, and does not parse now"),
    ],
)
def test_source_that_was_changed_since_is_a_note(
    flying: ModuleType, tmp_path: Path, text: str, says: str
) -> None:
    (tmp_path / "flying.py").write_text(text)
    assert read(flying) == ([], [f"flying.py was {says}"])


def test_a_helpers_source_that_is_gone_is_a_note_and_the_rest_is_read(
    flying: ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "helping.py").unlink()
    modes, notes = read(flying)
    assert modes == ["ValueError: too high"]
    assert notes == ["check, which it calls: no source: helping.py cannot be read"]


def test_what_is_not_written_in_python_is_a_note() -> None:
    found: Any = Taxonomy(Toolset(guarded_tool(math.gcd))).tools["gcd"]
    assert (found.modes, found.notes) == ((), ["no source: it is not written in Python"])
