"""The programs in `examples/` that need no framework run as they stand, and print what their page says."""

from __future__ import annotations

import ast
import copy
import inspect
import json
import re
from pathlib import Path
from typing import Any

import pytest
from helpers.programs import ROOT, ran

PAGE = (ROOT / "docs" / "examples.md").read_text()
SECTIONS = dict(re.findall(r"^## `(.*?)`\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S))
PRINTED = {name: text.partition("```text\n")[2].partition("```")[0] for name, text in SECTIONS.items()}


@pytest.mark.parametrize("name", ["own_agent", "fault_injection"])
def test_a_program_prints_what_its_page_says(name: str) -> None:
    assert ran(name) == PRINTED[f"examples/{name}.py"]


def test_a_batch_that_runs_again_pays_nothing_twice(tmp_path: Path) -> None:
    assert ran("nightly_batch", tmp_path) == PRINTED["examples/nightly_batch.py"]
    again = ran("nightly_batch", tmp_path).splitlines()
    assert again == [
        "A1: was committed already",
        "A2: for a person; artis plan show A2.json",
        "A3: was committed already",
    ]


async def test_the_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cells = json.loads((ROOT / "examples" / "notebook.ipynb").read_text())["cells"]
    names: dict[str, Any] = {}
    shown = []
    for number, cell in enumerate(cells):
        if cell["cell_type"] == "code":
            source = "".join(cell["source"]).splitlines()
            source[-1] = f"shown = ({source[-1]})" if "=" not in source[-1] else source[-1]
            code = compile("\n".join(source), f"cell {number}", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            running = eval(code, names)
            if inspect.isawaitable(running):
                await running
            shown.append(copy.deepcopy(names.pop("shown", None)))
    _, plan, before, result, after = shown
    assert "Water the tomatoes." in plan._repr_html_()
    assert before == (10, {"tomatoes": "dry", "herbs": "wet"})
    assert result.answer == "tomatoes got 8"
    assert after == (2, {"tomatoes": "wet", "herbs": "wet"})


def test_every_program_has_its_place_on_the_page() -> None:
    files = {
        f"examples/{path.name}" for path in (ROOT / "examples").iterdir() if path.suffix in (".py", ".ipynb")
    }
    assert files == set(SECTIONS)
