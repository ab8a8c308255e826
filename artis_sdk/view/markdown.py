"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from artis_sdk.visible import visible


def table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """A table, without a line break at its end. A cell's text stays in its cell.

    Args:
        head: the columns' names.
        rows: the rows, with a cell for each column.
    """
    return "\n".join([_row(head), "|" + "---|" * len(head), *map(_row, rows)])


def _row(cells: Sequence[object]) -> str:
    return f"| {' | '.join(_cell(str(cell)) for cell in cells)} |"


def _cell(text: str) -> str:
    return visible(" ".join(text.splitlines())).replace("|", r"\|")
