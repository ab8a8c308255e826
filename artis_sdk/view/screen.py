"""The terminal as data reaches it: as text, never as markup, emoji names or escape sequences."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from artis_sdk.view.text import plain
from artis_sdk.visible import escaped

if TYPE_CHECKING:
    from rich.progress import TextColumn


class Screen(Console):
    """A console without markup. What a renderable prints past `plain` is made visible all the same."""

    def __init__(self, *, stderr: bool = False, **options: Any) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False, **options)

    def render_str(self, text: str, *, style: Any = "", justify: Any = None, **_: Any) -> Text:
        """A text in one line, whatever the caller asks of markup."""
        made = plain(text)
        made.style = style
        made.justify = justify
        return made

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The renderable's segments; only rich's own control segments act on the terminal."""
        for segment in super().render(renderable, options):
            if segment.control or (segment.text.isascii() and segment.text.isprintable()):
                yield segment
            else:
                yield Segment(escaped(segment.text, "\n"), segment.style)


def label(pattern: str) -> TextColumn:
    """A column of a progress bar: `{task.description}`, `{task.fields[...]}`."""
    from rich.progress import TextColumn  # half of rich: most commands show no progress

    return TextColumn(pattern, markup=False)
