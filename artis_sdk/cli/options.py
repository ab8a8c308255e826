"""Options that commands of several kinds have."""

from __future__ import annotations

from typing import Annotated

import typer

Tools = Annotated[str | None, typer.Option(help="Where the tools are: `module:name` or `module`.")]
OnlyTool = Annotated[str | None, typer.Option("--tool", help="Only this tool.")]
Journal = Annotated[
    str | None, typer.Option(help="The journal, a file or a postgresql:// URL; ARTIS_JOURNAL when left out.")
]
Threads = Annotated[int | None, typer.Option(help="CPU threads of llama.cpp.", min=1)]
