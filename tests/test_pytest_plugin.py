"""The pytest plugin in real runs of pytest, found by its entry point."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from artis_sdk.errors import ConfigurationError
from artis_sdk.records import Plan, Task
from artis_sdk.testing import assert_plan

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "testing.md"
EXPECTED = """
import sys

import pytest
from bank import TOOLS, agent, pay
from test_bank import Rich


def test_nothing_is_imported_for_those_who_do_not_use_it():
    loaded = {name for name in IMPORTED_AT_START if name.startswith(("artis_sdk.", "pydantic", "opentele"))}
    assert loaded <= {"artis_sdk._former_names", "artis_sdk.pytest_plugin"}


def test_wrong_plan(artis):
    plan = artis.session(agent=agent, tools=TOOLS, simulator=Rich()).rehearse_sync("x")
    artis.assert_plan(plan, "balance", ("pay", {"amount": 81}))


def test_wrong_count(artis):
    plan = artis.session(agent=agent, tools=TOOLS, simulator=Rich()).rehearse_sync("x")
    artis.assert_plan(plan, "balance")


def test_wrong_outcome(artis):
    plan = artis.session(agent=agent, tools=TOOLS, simulator=Rich()).rehearse_sync("x")
    artis.assert_plan(plan, "balance", ("pay", {}, "ValueError"))


def test_real_again_without_the_fixture():
    assert pay("ann", "bob", 80) == "paid"
"""

AT_START = "import builtins, sys\nbuiltins.IMPORTED_AT_START = [*sys.modules]"
PAYING = "from bank import pay\n\n\ndef test_pay():\n    pay('ann', 'bob', 1)\n"


def blocks() -> dict[str, str]:
    """The files of the page, by name."""
    found = re.findall(r"^```python\n# module (\w+)\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    return dict(found)


@pytest.mark.slow
def test_the_page_and_failing_checks(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    entry_points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["pytest11"]
    info = pytester.mkdir("site") / "artis_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: artis-plugin\nVersion: 1.0\n")
    lines = [f"{name} = {where}" for name, where in entry_points.items()]
    (info / "entry_points.txt").write_text("\n".join(["[pytest11]", *lines]))
    monkeypatch.setenv("PYTHONPATH", f"{info.parent}:{ROOT}")
    files = blocks()
    whole_suite = files.pop("conftest")
    assert sorted(files) == ["bank", "test_bank"]
    for name, text in files.items():
        (pytester.path / f"{name}.py").write_text(text)
    (pytester.path / "conftest.py").write_text(AT_START)
    (pytester.path / "test_more.py").write_text(EXPECTED)
    done = pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider")
    done.assert_outcomes(passed=5, failed=3)
    done.stdout.fnmatch_lines(
        [
            "*the plan foresees 2 calls, and not the 2 expected*",
            '*pay(source="ann", target="bob", amount=80) → "paid"',
            "*pay(amount=81, ...)",
            "*the plan foresees 2 calls, and not the 1 expected*",
            "*balance(...)",
            "*pay(...): ValueError",
        ]
    )
    (pytester.path / "conftest.py").write_text(whole_suite)
    (pytester.path / "test_more.py").write_text(PAYING)
    done = pytester.runpytest_subprocess("-q", "test_more.py")
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["*FirewallError: pay: refused: real calls are forbidden here*"])


def test_an_expected_call_has_one_of_three_forms() -> None:
    plan = Plan(task=Task(query="x", tools=()), strategy="direct")
    assert_plan(plan)
    with pytest.raises(AssertionError, match=r"foresees 0 calls, and not the 1 expected"):
        assert_plan(plan, "pay")
    with pytest.raises(ConfigurationError, match=r"is a tool's name, \(name, arguments\)"):
        assert_plan(plan, ("pay", 80))  # type: ignore[arg-type]
