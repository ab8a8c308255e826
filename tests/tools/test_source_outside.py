"""The reader of sources, beyond the project: well-known calls, installed packages, declared failures."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from artis_sdk import Toolset, guarded_tool
from artis_sdk.records import Outcome, Provenance, Risk, ToolCall
from artis_sdk.tools.source_checks.read import ToolFailures, read_tool
from artis_sdk.trainers.failure_modes.taxonomy import Taxonomy


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., ToolFailures]:
    """Reads the function `tool` of a module with this source."""

    def of(source: str, **options: Any) -> ToolFailures:
        path = tmp_path / f"written_{len(list(tmp_path.iterdir()))}.py"
        path.write_text(textwrap.dedent(source))
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module
        spec.loader.exec_module(module)
        (tool,) = Toolset(guarded_tool(risk=Risk.READ_ONLY, **options)(module.tool))
        return read_tool(tool)

    return of


def types(found: ToolFailures) -> list[str]:
    return sorted({mode.type for mode in found.outside})


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            "import httpx\n"
            "def tool(url: str) -> str:\n"
            "    r = httpx.get(url)\n"
            "    r.raise_for_status()\n"
            "    return r.text",
            ["ConnectError", "HTTPStatusError", "TimeoutException"],
        ),
        (
            "import subprocess\ndef tool(a: str) -> None:\n    subprocess.run([a], check=True)",
            ["CalledProcessError", "FileNotFoundError"],
        ),
        ("import subprocess\ndef tool(a: str) -> None:\n    subprocess.run([a])", ["FileNotFoundError"]),
        (
            "import subprocess\ndef tool(a: str) -> None:\n    subprocess.run([a], check=True, timeout=3)",
            ["CalledProcessError", "FileNotFoundError", "TimeoutExpired"],
        ),
        (
            "def tool(a: str) -> str:\n    import git\n    return git.Repo(a).git.status()",
            ["GitCommandError"],
        ),
        ("def tool(a: str) -> str:\n    import git\n    return str(git.Repo(a))", []),
        ("import json\ndef tool(a: str) -> str:\n    return json.loads(a)", ["JSONDecodeError"]),
        ("from json import loads\ndef tool(a: str) -> str:\n    return loads(a)", ["JSONDecodeError"]),
        ("def tool(a: str) -> int:\n    return int(a)", ["ValueError"]),
        ("def tool(a: str) -> int:\n    return int(len(a)) + int(3.0)", []),
        ("def tool(a: dict[str, int]) -> int:\n    return a['x']", ["KeyError"]),
        ("def tool(a: list[int]) -> int:\n    return a[0]", ["IndexError"]),
        ("def tool(a: list[int]) -> list[int]:\n    return a[1:]", []),
        (
            "import sqlite3\n"
            "def tool(q: str) -> str:\n"
            "    c = sqlite3.connect('x')\n"
            "    c.execute(q)\n"
            "    return ''",
            ["IntegrityError", "OperationalError"],
        ),
        (
            "def tool(a: str) -> int:\n"
            "    import boto3\n"
            "    s3 = boto3.client('s3')\n"
            "    s3.put_object(Key=a)\n"
            "    return 1",
            ["ClientError"],
        ),
        (
            "from sqlalchemy.orm import Session\n"
            "def tool(s: str) -> int:\n"
            "    db = Session()\n"
            "    db.commit()\n"
            "    return 1",
            ["IntegrityError", "OperationalError"],
        ),
        (
            "import json\n"
            "def tool(a: str) -> str:\n"
            "    try:\n"
            "        return json.loads(a)\n"
            "    except ValueError:\n"
            "        return ''",
            [],
        ),
        (
            "import json\n"
            "def tool(a: str) -> str:\n"
            "    return helper(a)\n"
            "def helper(a: str) -> str:\n"
            "    return json.loads(a)",
            ["JSONDecodeError"],
        ),
        ("def tool(a: str) -> str:\n    return open(a).name", ["FileNotFoundError", "PermissionError"]),
        (
            "from datetime import datetime\n"
            "def tool(a: str) -> str:\n"
            "    return str(datetime.fromisoformat(a))",
            ["ValueError"],
        ),
    ],
)
def test_well_known_calls_raise(read: Callable[..., ToolFailures], source: str, expected: list[str]) -> None:
    if "sqlalchemy" in source or "httpx" in source:
        pytest.importorskip("sqlalchemy" if "sqlalchemy" in source else "httpx")
    found = types(read(source))
    if "sqlalchemy" in source or "httpx" in source:  # what the packages themselves raise is read, too
        assert set(expected) <= set(found)
    else:
        assert found == expected


def test_declared_failures_are_modes(read: Callable[..., ToolFailures]) -> None:
    found = read("def tool(a: str) -> str:\n    return a", failures=[ConnectionError, ValueError])
    assert [(m.type, m.site.kind) for m in found.outside] == [
        ("ConnectionError", "declared"),
        ("ValueError", "declared"),
    ]
    known = read("def tool(a: str) -> int:\n    return int(a)", failures=ValueError)
    assert [(m.type, m.site.kind) for m in known.outside] == [("ValueError", "call")]


def test_it_says_where_it_left_the_project(read: Callable[..., ToolFailures]) -> None:
    found = read("import shutil\ndef tool(a: str) -> str:\n    return shutil.which(a) or ''")
    assert [n for n in found.notes if "leaves the project" in n] == [
        "it leaves the project, and these were not read: shutil.which (line 3)"
    ]
    plain = read("def tool(a: str) -> str:\n    return a.strip().upper()")
    assert plain.notes == []


def test_an_installed_package_is_read_one_level_deep(read: Callable[..., ToolFailures]) -> None:
    found = read("from docstring_parser import parse\ndef tool(a: str) -> str:\n    return str(parse(a))")
    assert any(m.path and m.site.kind == "raise" for m in found.outside) or any(
        "docstring_parser" in note for note in found.notes
    )


def test_an_outcome_of_a_well_known_call_is_its_mode(tmp_path: Path) -> None:
    (one, two) = Toolset(parse_amount, run_it)
    taxonomy = Taxonomy([one, two])

    def failed(type_: str) -> Outcome:
        return Outcome.failure(type_, "x", Provenance.REAL, raised=True)

    assert [m.type for m in taxonomy.match(ToolCall(tool=one.name), failed("JSONDecodeError"))] == [
        "JSONDecodeError"
    ]
    assert taxonomy.match(ToolCall(tool=one.name), failed("OSError")) == ()
    assert [m.type for m in taxonomy.match(ToolCall(tool=two.name), failed("CalledProcessError"))] == [
        "CalledProcessError"
    ]


@guarded_tool(risk=Risk.READ_ONLY)
def parse_amount(text: str) -> Any:
    """Read an amount."""
    return json.loads(text)


@guarded_tool(risk=Risk.READ_ONLY)
def run_it(program: str) -> int:
    """Run a program."""
    return subprocess.run([program], check=True).returncode
