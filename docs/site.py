"""Hooks of the documentation's site (`make docs`): pages that stand elsewhere in the repository, and the
command line's reference."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files
from typer.cli import get_docs_for_click
from typer.main import get_command

from artis_sdk.cli.app import app
from artis_sdk.cli.commands import COMMANDS

ROOT = Path(__file__).parent.parent
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
}
"""Files of the repository's top folder -> pages of the site."""
MARK = "<!-- commands -->"
"""Stands in the page of the command line for what `artis --help` and its like print."""


def on_files(files: Files, config: Any) -> Files:
    """Add the pages of the top folder."""
    for name, page in PAGES.items():
        text = re.sub(r"\]\(docs/", "](", (ROOT / name).read_text())
        files.append(File.generated(config, page, content=_linked(text, "")))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let links to the top folder lead to the site's pages, and write the command line's reference."""
    up = "../" * page.file.src_uri.count("/")
    if MARK in markdown:
        markdown = markdown.replace(MARK, _commands())
    return _linked(markdown, up)


def _linked(text: str, up: str) -> str:
    for name, page in PAGES.items():
        text = re.sub(rf"\]\((?:\.\./)*{re.escape(name)}", f"]({up}{page}", text)
    return text.replace("](LICENSE)", "](https://www.apache.org/licenses/LICENSE-2.0)")


def _commands() -> str:
    """All commands with arguments and options, from their own declarations."""
    root: Any = get_command(app)
    context = root.context_class(root, info_name="artis")
    for name in COMMANDS:
        root.resolve_command(context, [name])  # imports the command
    return get_docs_for_click(obj=root, ctx=context, name="artis").partition("\n")[2]
