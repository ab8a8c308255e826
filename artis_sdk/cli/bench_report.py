"""`artis bench report`: results beside the paper's."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from artis_sdk.cli.output import console
from artis_sdk.evals.bench.compared import compared
from artis_sdk.view.text import plain


def bench_report(
    folders: Annotated[
        list[Path], typer.Argument(help="Folders of `artis bench world`, `bench pocket` or `eval simulator`.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for page and tables.")],
) -> None:
    """Set results beside the paper's tables 1, 2 and 4 and its figures 4, 5 and 6, from their files alone."""
    found = compared(folders)
    out.mkdir(parents=True, exist_ok=True)
    (out / "report.md").write_text(found.markdown(), encoding="utf-8")
    (out / "page.html").write_text(found.page(f"Beside the paper, {date.today()}"), encoding="utf-8")
    console.print(plain(f"tables: {out / 'report.md'}   page: {out / 'page.html'}"))
