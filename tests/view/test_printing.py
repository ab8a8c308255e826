"""No module prints data in another way than through `visible` and `plain`: read off the source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PRINTING = ("artis_sdk/cli", "artis_sdk/view", "artis_sdk/evals", "trainers")
MAKERS = {"artis_sdk/view/text.py", "artis_sdk/view/screen.py"}
"""The two files that make texts and screens for all others."""
DOCUMENTS = {"artis_sdk/cli/output.py", "trainers/agent/curves.py"}
"""The files that write a whole document: JSON, SVG."""

TAKES_STRINGS = {"print", "add_row", "add_column", "Table", "Panel", "Rule", "Columns", "update", "add_task"}
NEVER = {
    "print": "print",
    "echo": "typer.echo",
    "secho": "typer.secho",
    "prompt": "typer.prompt",
    "confirm": "typer.confirm",
    "from_markup": "Text.from_markup",
    "from_ansi": "Text.from_ansi",
    "assemble": "Text.assemble",
    "Text": "Text()",
    "Console": "Console()",
    "TextColumn": "TextColumn()",
    "input": "input",
    "getpass": "getpass",
}
NUMERIC = re.compile(r"[,%fgd]'$")
STYLED = re.compile(r"\[(?:bold|dim|italic|red|green|yellow|magenta|cyan|blue)\b[^\]]*\]|\[/\w*\]")


def problems(path: str, source: str) -> list[str]:
    return [f"{path}:{line}: {what}" for line, what in _problems(path, ast.parse(source))]


def _problems(path: str, tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "rich.markup":
            yield node.lineno, "rich.markup"
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and STYLED.search(node.value):
            yield node.lineno, "markup in a string"
        elif isinstance(node, ast.Attribute) and node.attr == "write" and path not in DOCUMENTS:
            if ast.unparse(node.value) in ("sys.stdout", "sys.stderr"):
                yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.Call):
            yield from _in_call(path, node)


def _in_call(path: str, call: ast.Call) -> Iterator[tuple[int, str]]:
    method = isinstance(call.func, ast.Attribute)
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    owner = ast.unparse(call.func.value) if isinstance(call.func, ast.Attribute) else ""
    ours = name == "confirm" and not method  # our own question
    if path not in MAKERS and name in NEVER and (not method or owner in ("typer", "Text")) and not ours:
        yield call.lineno, NEVER[name]
    if path not in MAKERS:
        for keyword in call.keywords:
            if keyword.arg in ("markup", "highlight", "emoji"):
                yield call.lineno, f"{keyword.arg}="
    if name in TAKES_STRINGS:
        for given in (*call.args, *(keyword.value for keyword in call.keywords)):
            if _made_up(given):
                yield call.lineno, f"{name}({ast.unparse(given)}) is not plain(...)"
    if name in ("Panel", "Rule"):  # whose titles rich reads as markup whatever the console says
        titles = [k.value for k in call.keywords if k.arg in ("title", "subtitle")]
        for given in (*titles, *(call.args if name == "Rule" else ())):
            if not isinstance(given, ast.Constant) and not _is_plain(given):
                yield call.lineno, f"{name}({ast.unparse(given)}) is not plain(...)"


def _made_up(node: ast.AST) -> bool:
    """Whether an expression puts a string together of more than numbers."""
    if isinstance(node, ast.JoinedStr):
        return any(
            value.format_spec is None or not NUMERIC.search(ast.unparse(value.format_spec))
            for value in node.values
            if isinstance(value, ast.FormattedValue)
        )
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mod):
        sides = (node.left, node.right)
        text = any(isinstance(side, ast.Constant | ast.JoinedStr) for side in sides)
        return text and not all(map(_constant, sides))
    if isinstance(node, ast.IfExp):
        return _made_up(node.body) or _made_up(node.orelse)
    if isinstance(node, ast.Starred):
        return _made_up(node.value)
    return isinstance(node, ast.GeneratorExp | ast.ListComp) and _made_up(node.elt)


def _constant(node: ast.AST) -> bool:
    if isinstance(node, ast.IfExp):
        return _constant(node.body) and _constant(node.orelse)
    return isinstance(node, ast.Constant) or (isinstance(node, ast.JoinedStr) and not _made_up(node))


def _is_plain(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "plain"


def sources() -> list[Path]:
    return sorted(path for folder in PRINTING for path in (ROOT / folder).glob("**/*.py"))


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_data_is_printed_in_one_way(path: Path) -> None:
    assert problems(str(path.relative_to(ROOT)), path.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "print(x)",
        "typer.echo(x)",
        "typer.confirm('sure?')",
        "typer.prompt(x)",
        "from rich.markup import escape",
        "Text(x)",
        "Text.from_markup(x)",
        "Console().rule()",
        "sys.stdout.write(x)",
        "console.print(f'{x}')",
        "console.print('a' + x)",
        "console.print('%s' % x)",
        "console.print(x, markup=True)",
        "console.print('[red]no[/red]')",
        "table.add_row(f'{x}')",
        "table.add_row(*(f'{n}' for n in row))",
        "Table(title=f'{x}')",
        "Panel(body, title=x)",
        "Rule(x)",
        "TextColumn(x)",
        "bar.update(task, description=f'{x}')",
    ],
)
def test_the_check_sees_each_other_way(source: str) -> None:
    assert problems("artis_sdk/cli/new.py", source) != []


def test_the_check_leaves_plain_alone() -> None:
    source = (
        "console.print(plain(f'{x}'), 'done')\n"
        "table.add_row(plain(x), *map(plain, row), x)\n"
        "Panel(body, title='attempt', subtitle=plain(x))\n"
        "await confirm('sure?')\n"
    )
    assert problems("artis_sdk/cli/new.py", source) == []
