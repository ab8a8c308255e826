"""Who may import whom: every arrow between the parts points down."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# Ground floor first. A part may import itself and what its row names.
BASE = {"errors", "records", "contracts"}
LOWER = BASE | {"actions", "tools", "prompts"}
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "wal": set(),
    "records": {"errors"},
    "contracts": {"errors", "records"},
    "actions": BASE,
    "tools": BASE,
    "prompts": BASE,
    "simulators": LOWER,
    "loop": LOWER | {"simulators", "wal"},
    "logs": BASE | {"wal"},
    "backends": BASE | {"actions"},
    "settings": LOWER | {"simulators", "loop"},
    "captures": LOWER | {"logs"},
    "assembly": LOWER | {"simulators", "loop", "logs", "settings", "captures", "backends"},
    "session": LOWER | {"simulators", "loop", "logs", "settings", "captures", "assembly", "backends"},
    "evals": LOWER | {"simulators", "loop", "logs", "settings", "captures", "session", "backends"},
    "trainers": LOWER | {"simulators", "loop", "logs", "captures", "evals", "backends"},
}


def part_of(path: Path) -> str | None:
    """The part that a source file belongs to; None for the package root and what may import all."""
    inside = path.relative_to(ROOT)
    if inside.parts[0] in ("backends", "trainers"):
        return inside.parts[0]
    part = inside.parts[1].removesuffix(".py")
    return None if part in ("__init__", "cli", "pocket", "view") else part


def sources() -> list[Path]:
    core = (ROOT / "artis_sdk").glob("**/*.py")
    mapped = ("backends", "trainers")  # behind links in artis_sdk, looked at where they lie
    return sorted(
        [
            *ROOT.glob("backends/**/*.py"),
            *ROOT.glob("trainers/**/*.py"),
            *(path for path in core if path.relative_to(ROOT).parts[1] not in mapped),
        ]
    )


def imported_parts(path: Path) -> set[str]:
    """Parts of artis_sdk that a file imports, imports inside functions included."""
    parts: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            head = name.split(".")
            assert head[0] not in ("backends", "trainers"), (
                f"{path}: `import {name}` makes a second copy of every class; import artis_sdk.{name}"
            )
            if head[0] == "artis_sdk" and len(head) > 1:
                parts.add(head[1])
    return parts


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    part = part_of(path)
    if part is None:
        return
    assert part in ALLOWED, f"{path} belongs to no known part; give {part!r} its floor in this test"
    wrong = imported_parts(path) - ALLOWED[part] - {part}
    assert not wrong, f"{part} may not import {sorted(wrong)}"


def test_the_check_sees_a_wrong_arrow(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text("def f():\n    from artis_sdk.session import Session\n    return Session\n")
    assert imported_parts(wrong) == {"session"}
