"""The tables in `docs/frameworks.md` are of the versions that are installed."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from frameworks.test_laws import cases

PAGE = Path(__file__).parents[2] / "docs" / "frameworks.md"


def rows(head: str) -> set[tuple[str, str]]:
    """Framework and version of each row of the table that begins so."""
    lines = PAGE.read_text().partition(head)[2].partition("\n\n")[0].splitlines()[2:]
    return {(cells[1].strip(), cells[2].strip()) for cells in (line.split("|") for line in lines)}


def test_the_page_names_the_versions_that_integrations_are_tested_with() -> None:
    said = dict(rows("| framework | version | lines to add |"))
    assert len(said) == 9
    here = {param.values[0].title: param.values[0].version for param in cases()}
    if "pydantic-ai" not in here:  # the older packages
        here.pop("mcp, stdio", None)
    assert here == {title: said[title] for title in here}


def test_the_page_names_the_versions_that_are_tested() -> None:
    pytest.importorskip("autogen_agentchat", reason="`make frameworks` installs it and runs this")
    said = rows("| framework | version | how it runs sync tools |")
    assert len(said) == 6
    try:
        assert said == {(name, version(name)) for name, _ in said}
    except PackageNotFoundError as error:
        raise AssertionError(error) from error
