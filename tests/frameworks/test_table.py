"""The table in `docs/frameworks.md` is of the versions that are installed."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest

pytest.importorskip("autogen_agentchat", reason="`make frameworks` installs it and runs this")

PAGE = Path(__file__).parents[2] / "docs" / "frameworks.md"


def test_the_page_names_the_versions_that_are_tested() -> None:
    lines = PAGE.read_text().partition("| framework | version |")[2].partition("\n\n")[0].splitlines()[2:]
    said = {tuple(cell.strip() for cell in line.split("|")[1:3]) for line in lines}
    assert len(said) == 6
    assert said == {(name, version(name)) for name, _ in said}
