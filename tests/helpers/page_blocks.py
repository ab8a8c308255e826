"""Python blocks of the documentation's pages, and how one runs."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (DOCS / page).read_text(), re.M | re.S)


async def run(code: str, **names: Any) -> dict[str, Any]:
    """Run a block, which may await at its top, with these names; returns all names after it."""
    running = eval(compile(code, "block", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
    if inspect.isawaitable(running):
        await running
    return names
