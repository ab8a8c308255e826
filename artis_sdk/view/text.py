"""Texts for people. Data is printed through `visible` or `plain` and nowhere else: it cannot write on the
screen, hide, or change the order of what stands beside it."""

from __future__ import annotations

import json
from typing import Any

from pydantic_core import to_jsonable_python
from rich.text import Text

from artis_sdk.visible import escaped, visible


def plain(
    *parts: str | tuple[str, str] | Text, style: str = "", lines: bool = False, cut: bool = False
) -> Text:
    """Data for the terminal: a renderable that shows these parts as they are, see `visible`.

    Args:
        parts: texts, or texts with a style; what `plain` returned stays as it is.
        style: style of all.
        lines: whether line breaks and tabs stay as they are.
        cut: whether the text stays in one line, which ends with `…` where there is no more room.
    """
    made = Text(style=style, overflow="ellipsis" if cut else "fold", no_wrap=cut)
    for part in parts:
        if isinstance(part, Text):
            made.append_text(part)
        else:
            said, of = (part, "") if isinstance(part, str) else part
            made.append(visible(said, lines=lines), of)
    return made


def json_text(value: Any) -> str:
    """A value as JSON for people and programs: an escape for each character that `visible` escapes."""
    written = json.dumps(value, default=to_jsonable_python, indent=2, ensure_ascii=False)
    return escaped(written, "\n", as_json=True)
