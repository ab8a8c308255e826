"""The code in README and guide runs as it stands there; what a document names is there, and is public."""

from __future__ import annotations

import ast
import asyncio
import os
import re
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
from helpers.fault_server import agent, serving
from helpers.postgres import postgresql

from artis_sdk.entry_points import GROUPS
from artis_sdk.errors import MissingExtraError

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

FOLDERS = "artis_sdk|backends|trainers|tests|benchmarks|docs"
PATH = re.compile(rf"(?:(?<![\w/.])(?:{FOLDERS})/[\w./-]*\w|(?<![\w/])[\w/.-]+\.py\b)")
DOTTED = re.compile(r"\bartis_sdk(?:\.\w+)+")
LINK = re.compile(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)")


def python_blocks(path: Path) -> str:
    return "\n\n".join(re.findall(r"^```python(?: title=.*)?\n(.*?)^```", path.read_text(), re.M | re.S))


async def run(code: str, folder: Path, **environment: str) -> str:
    (folder / "example.py").write_text(code)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-W",
        "error",
        "example.py",
        cwd=folder,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 0, out.decode()
    return out.decode()


async def test_the_guide_runs(tmp_path: Path) -> None:
    code = python_blocks(ROOT / "docs" / "guide.md")
    assert code.count("asyncio.run") == 3
    await run(code, tmp_path)


async def test_the_page_on_faults_runs(tmp_path: Path) -> None:
    page = ROOT / "docs" / "faults.md"
    printed = (await run(python_blocks(page), tmp_path)).strip()
    assert f"It prints `{printed}`." in page.read_text()


async def test_the_page_on_traces_runs(tmp_path: Path) -> None:
    page = ROOT / "docs" / "traces.md"
    printed = await run(python_blocks(page), tmp_path)
    assert f"It prints\n\n```\n{printed}```" in page.read_text()


@pytest.mark.slow
async def test_the_sandbox_page_runs(tmp_path: Path) -> None:
    code, database = python_blocks(ROOT / "docs" / "sandbox.md").split("import asyncio\nimport os\n")
    assert code.count("asyncio.run") == 2
    await run(code, tmp_path)
    pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed")
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    with postgresql() as folder:
        url = f"postgresql+psycopg://postgres@/postgres?host={folder}"
        await run(f"import asyncio\nimport os\n{database}", tmp_path, DATABASE_URL=url)


async def test_the_first_program_of_the_readme_prints_what_stands_below_it(tmp_path: Path) -> None:
    found = re.search(
        r"^```python\n(.*?)^```\n.*?^```\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S
    )
    assert found is not None
    program, printed = found.groups()
    assert len([line for line in program.splitlines() if line]) <= 15
    assert await run(program, tmp_path) == printed


async def test_the_readme_runs_against_a_server(tmp_path: Path) -> None:
    code = python_blocks(ROOT / "README.md")
    paying = agent(1, "pay", {"source": "ann", "target": "bob", "amount": 80})
    async with serving(paying) as server:
        out = await run(code, tmp_path, OPENAI_BASE_URL=server.base_url, OPENAI_API_KEY="none")
        assert "pay {" in out
        assert "as predicted" in out
        assert sum(seen.path.endswith("/chat/completions") for seen in server.requests) >= 5 * 2 + 2


def resolves(dotted: str) -> bool:
    """Whether a module, a name that a package exports, or a group of entry points is there. Loads no
    engine."""
    if dotted in GROUPS.values():
        return True
    parent, _, name = dotted.rpartition(".")
    try:
        return find_spec(dotted) is not None or exports(parent, name)
    except ModuleNotFoundError:  # the parent is not there, or is a module and no package
        return False


def exports(module: str, name: str) -> bool:
    try:
        return name in getattr(import_module(module), "__all__", ())
    except MissingExtraError:  # an integration, whose framework is in another environment
        source = ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text())
        written = {
            node.name for node in source.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        return name in written & set(exported(source))


def exported(source: ast.Module) -> list[str]:
    """`__all__` of a module that cannot be imported."""
    for node in source.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return []


def anchors(path: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_what_a_document_names_is_there(document: Path) -> None:
    text = document.read_text()
    made = re.findall(r'^```\w+ title="([^"]+)"', text, re.M)  # by the reader, in a folder of their own
    assert [name for name in PATH.findall(text) if not (ROOT / name).exists() and name not in made] == []
    assert [name for name in DOTTED.findall(text) if not resolves(name)] == []
    prose = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    for file, anchor in LINK.findall(prose):
        target = document.parent / file if file else document
        assert target.is_file(), file
        assert not anchor or anchor in anchors(target), f"{file}#{anchor}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_documents_import_public_names_only(document: Path) -> None:
    for node in ast.walk(ast.parse(python_blocks(document))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("artis_sdk"):
            module = str(node.module)
            assert [alias.name for alias in node.names if not exports(module, alias.name)] == []


def test_these_checks_see_what_is_not_there() -> None:
    assert PATH.findall("`tests/helpers/`, `commit.py` and docs/no.md, not a/tests/b") == [
        "tests/helpers",
        "commit.py",
        "docs/no.md",
    ]
    assert DOTTED.findall("`artis_sdk.logs.Nothing`.") == ["artis_sdk.logs.Nothing"]
    assert resolves("artis_sdk.logs.row_schema")
    assert resolves("artis_sdk.pocket.words")
    assert not resolves("artis_sdk.logs.Nothing")
    assert not exports("artis_sdk.commit.recover", "NotExecuted")
    assert exports("artis_sdk.integrations.pydantic_ai", "rehearsed")
    assert not exports("artis_sdk.integrations.pydantic_ai", "asked")
    assert "decisions-and-why" in anchors(ROOT / "docs" / "architecture.md")


def test_the_architecture_has_every_part() -> None:
    table = (ROOT / "docs" / "architecture.md").read_text().partition("## Parts")[2].partition("## ")[0]
    rows = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    inside = {path for path in (ROOT / "artis_sdk").iterdir() if path.suffix == ".py" or path.is_dir()}
    parts = {path.stem for path in inside if path.name not in ("__init__.py", "__pycache__")}
    assert parts - named == set()
