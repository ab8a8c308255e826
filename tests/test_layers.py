"""Who may import whom: every arrow between the parts points down."""

from __future__ import annotations

import ast
from collections import defaultdict
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# Ground floor first. A part may import itself and what its row names.
BASE = {"errors", "visible", "records", "contracts"}
LOWER = BASE | {"tools", "prompts"}
LOOP = LOWER | {"simulators", "traces", "loop"}
SESSION = LOOP | {"commit", "logs", "settings", "backends", "store_address"}
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "visible": set(),
    "module_errors": set(),
    "keyword_options": set(),
    "entry_points": {"errors"},
    "lingering": set(),
    "sqlite": {"errors"},
    "store_address": {"errors", "sqlite"},
    "postgresql": {"errors"},
    "lease": {"errors", "records"},
    "records": {"errors", "visible"},
    "contracts": {"errors", "records"},
    "view": {"errors", "visible", "records"},
    "tools": BASE | {"lease"},
    "prompts": BASE,
    "simulators": LOWER | {"entry_points"},
    "traces": LOWER | {"simulators"},
    "loop": LOWER | {"simulators", "traces", "entry_points"},
    "commit": LOOP | {"sqlite", "postgresql", "lease", "lingering"},
    "logs": BASE | {"sqlite", "postgresql", "lease", "lingering", "store_address", "tools"},
    "backends": BASE | {"entry_points"},
    "settings": LOOP | {"module_errors", "settings_errors", "store_address"},
    "settings_errors": set(),
    "workers": {"errors", "loop"},
    "session_args": SESSION - {"settings", "backends"},
    "session_checks": SESSION | {"session_args"},
    "session_stores": SESSION,
    "session_tools": BASE | {"tools", "settings", "session_args", "backends", "entry_points"},
    "session_log": {"records", "visible"},
    "session_events": SESSION | {"session_args", "session_checks", "session_log"},
    "session_sync": {"errors"},
    "session_backends": BASE | {"backends"},
    "session_simulator": SESSION | {"session_args", "session_backends"},
    "session_parts": SESSION
    | {"session_args", "session_backends", "session_checks", "session_simulator", "session_stores"}
    | {"session_tools"},
    "session_state": SESSION | {"session_args", "session_checks", "session_parts"},
    "session_operations": SESSION | {"session_parts"},
    "session_many": SESSION | {"session_args", "workers"},
    "session_recovery": SESSION | {"session_stores", "session_tools"},
    "session": SESSION
    | {
        "keyword_options",
        "session_args",
        "session_checks",
        "session_parts",
        "session_stores",
        "session_tools",
    }
    | {"session_events", "session_log", "session_many", "session_operations", "session_recovery"}
    | {"session_state", "session_sync", "workers"},
    "integrations": SESSION,
    "testing": SESSION | {"session"},
    "pytest_plugin": {"tools", "testing"},
    "gateway": SESSION
    | {"session", "session_backends", "session_simulator", "session_stores", "integrations", "view"},
    "pocket": SESSION | {"session"},
    "evals": SESSION | {"session", "pocket", "view", "workers"},
    "trainers": SESSION | {"session", "pocket", "evals", "view", "workers"},
}


def part_of(path: Path) -> str | None:
    """The part that a source file belongs to; None for the package root and what may import all."""
    inside = path.relative_to(ROOT)
    if inside.parts[0] in ("backends", "trainers"):
        return inside.parts[0]
    part = inside.parts[1].removesuffix(".py")
    return None if part in ("__init__", "_former_names", "cli") else part


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


def imported(path: Path) -> set[str]:
    """Dotted names that a file imports, imports inside functions and for types alone included."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            assert name.split(".")[0] not in ("backends", "trainers"), (
                f"{path}: `import {name}` makes a second copy of every class; import artis_sdk.{name}"
            )
        found.update(names)
    return found


def imported_parts(path: Path) -> set[str]:
    """Parts of artis_sdk that a file imports."""
    heads = (name.split(".") for name in imported(path))
    return {head[1] for head in heads if head[0] == "artis_sdk" and len(head) > 1} - {"_former_names"}


def module_name(path: Path) -> str:
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    if parts[0] in ("backends", "trainers"):
        parts = ["artis_sdk", *parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def import_graph(paths: list[Path]) -> dict[str, set[str]]:
    """The modules that each module imports, of those that lie at `paths`."""
    modules = {module_name(path): path for path in paths}
    graph: dict[str, set[str]] = {}
    for module, path in modules.items():
        graph[module] = set()
        for name in imported(path):
            while name and name not in modules:
                name = name.rpartition(".")[0]
            graph[module] |= {name} - {"", module}
    return graph


def circle(graph: dict[str, set[str]]) -> list[str]:
    """A circle of imports, or nothing."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found
    return []


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


def test_no_module_imports_itself_through_others() -> None:
    assert circle(import_graph(sources())) == []
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) != []


def test_one_name_means_one_thing() -> None:
    """No public class name stands in two modules, no file name in four folders."""
    classes: dict[str, list[str]] = defaultdict(list)
    files: dict[str, list[str]] = defaultdict(list)
    for path in sources():
        if path.name != "__init__.py":
            files[path.name].append(str(path))
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                classes[node.name].append(module_name(path))
    assert {name: where for name, where in classes.items() if len(where) > 1} == {}
    assert {name: where for name, where in files.items() if len(where) > 3} == {}


def test_files_stay_small() -> None:
    lengths = {str(path): len(path.read_text().splitlines()) for path in sources()}
    assert {path: lines for path, lines in lengths.items() if lines > 400} == {}
