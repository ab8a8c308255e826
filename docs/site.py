"""Hooks of the documentation's site (`make docs`): pages that stand elsewhere in the repository, and the
command line's reference."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
"""Files of the repository's top folder -> pages of the site."""
COMMANDS = "<!-- commands -->"
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
    if COMMANDS in markdown:
        markdown = markdown.replace(COMMANDS, _commands())
    return _linked(markdown, up)


def _linked(text: str, up: str) -> str:
    for name, page in PAGES.items():
        text = re.sub(rf"\]\((?:\.\./)*{re.escape(name)}", f"]({up}{page}", text)
    return text.replace("](LICENSE)", "](https://www.apache.org/licenses/LICENSE-2.0)")


def _commands() -> str:
    """All commands with arguments and options, from their own declarations."""
    command = [sys.executable, "-m", "typer", "artis_sdk.cli.app", "utils", "docs", "--name", "artis"]
    text = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return text.partition("\n")[2]
