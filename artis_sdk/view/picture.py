"""The screen as a picture: an SVG that fetches nothing."""

from __future__ import annotations

import re

from rich.console import Console


def picture(console: Console, title: str) -> str:
    """All that a recording console has printed, as an SVG.

    Args:
        console: a console whose `record` was set before it printed.
        title: title of the window that is drawn around it.
    """
    svg = console.export_svg(title=title, clear=False, unique_id="screen")
    return re.sub(r"@font-face \{.*?\}\s*|<!--.*?-->\s*", "", svg, flags=re.S)
