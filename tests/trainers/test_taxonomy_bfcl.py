"""The taxonomy on third-party code: every failure site of BFCL's eight environments, and no more."""

from __future__ import annotations

import ast
import linecache
from pathlib import Path

import pytest

pytest.importorskip("bfcl_eval")

from artis_sdk.evals.bench.bfcl import guard, load_tasks
from artis_sdk.trainers.failure_modes.taxonomy import Taxonomy

pytestmark = pytest.mark.slow

Site = tuple[str, int]

# Failures that no pattern below tells: an error on a later line of a dictionary, or put into one first.
BY_HAND = {
    ("travel_booking.py", 762), ("travel_booking.py", 778), ("travel_booking.py", 785),
    ("travel_booking.py", 792), ("vehicle_control.py", 384), ("vehicle_control.py", 612),
}  # fmt: skip
# They only say false: `{"success": False}`, `{"login_status": False}`, and the like.
FALSE = {
    ("message_api.py", 154), ("posting_api.py", 65), ("posting_api.py", 187), ("posting_api.py", 217),
    ("ticket_api.py", 208), ("ticket_api.py", 230),
}  # fmt: skip


@pytest.fixture(scope="module")
def taxonomy() -> Taxonomy:
    return Taxonomy(tool for task in load_tasks() for tool in guard(task.instances()))


def says_error(node: ast.AST) -> bool:
    """Whether an expression has a key `error` with something in it, or a text that begins with it."""
    for inner in ast.walk(node):
        match inner:
            case ast.Dict(keys=keys, values=values):
                for key, value in zip(keys, values, strict=True):
                    empty = isinstance(value, ast.Constant) and not value.value
                    if isinstance(key, ast.Constant) and key.value in ("error", "errors") and not empty:
                        return True
            case ast.Constant(value=str(text)) if text.startswith("Error"):
                return True
    return False


def by_pattern(files: set[str]) -> set[Site]:
    """Every `raise`, and every `return` of an error, wherever it stands."""
    found: set[Site] = set()
    for file in files:
        for node in ast.walk(ast.parse(Path(file).read_text())):
            match node:
                case ast.Raise() | ast.Return(value=ast.expr()) if isinstance(node, ast.Raise) or (
                    node.value is not None and says_error(node.value)
                ):
                    found.add((Path(file).name, node.lineno))
    return found


def test_the_sites_of_the_eight_environments(taxonomy: Taxonomy) -> None:
    assert len(taxonomy.tools) == 128
    sites = {(Path(file).name, line) for file, line in taxonomy.sites}
    files = {mode.site.file for mode in taxonomy}
    assert sites == by_pattern(files) | BY_HAND | FALSE
    assert len(sites - FALSE) == 178
    raises = {(m.site.file, m.site.line) for m in taxonomy if m.site.kind == "raise"}
    assert len(raises) == 5
    assert all("raise" in linecache.getline(*site) for site in raises)
    notes = [note for tool in taxonomy.tools.values() for note in tool.notes]
    assert [note for note in notes if "leaves the project" not in note] == []


def test_most_tools_can_fail(taxonomy: Taxonomy) -> None:
    failing = {m.tool for m in taxonomy if (Path(m.site.file).name, m.site.line) not in FALSE}
    assert len(failing) == 88
