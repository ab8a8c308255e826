"""The distribution before and after rebalancing, as a table for the terminal and as a plot (SVG)."""

from __future__ import annotations

from typing import Final

from markupsafe import Markup
from rich.table import Table

from artis_sdk.trainers.dataset.rebalance import Distribution
from artis_sdk.view import svg
from artis_sdk.view.text import plain
from artis_sdk.visible import shortened

_SHOWN: Final = 40  # rows of the table, bars of the plot
_WIDTH, _ROW, _LEFT, _RIGHT = 860, 30, 240, 90  # pixels
_BEFORE, _AFTER = "#9aa5b1", "#2f6fde"


def table(distribution: Distribution, *, shown: int = _SHOWN) -> Table:
    """Rows and draws by tool and outcome type, the rarest last; those beyond `shown` are summed."""
    made = Table(title="rows of the log, and draws of one epoch")
    for name in ("tool", "outcome"):
        made.add_column(name)
    for name in ("rows", "share", "draws", "share", "draws a row"):
        made.add_column(name, justify="right")
    cells = sorted(distribution.cells, key=lambda cell: (-cell.rows, cell.tool, cell.type))
    for cell in cells[:shown]:
        style = "green" if cell.type == "success" else "red"
        made.add_row(
            plain(cell.tool),
            plain(cell.type, style=style),
            f"{cell.rows:,}",
            f"{cell.rows / distribution.rows:.1%}",
            f"{cell.draws:,.0f}",
            f"{cell.draws / distribution.draws:.1%}",
            f"{cell.repeats:.2f}" + (" (cap)" if cell.capped else ""),
        )
    rest = cells[shown:]
    if rest:
        rows, draws = sum(cell.rows for cell in rest), sum(cell.draws for cell in rest)
        made.add_row(
            plain(f"{len(rest)} more"), "", f"{rows:,}", f"{rows / distribution.rows:.1%}",
            f"{draws:,.0f}", f"{draws / distribution.draws:.1%}", f"{draws / rows:.2f}",
        )  # fmt: skip
    return made


def plot(distribution: Distribution) -> str:
    """Shares of the outcome types before and after, as an SVG document."""
    before: dict[str, float] = {}
    after: dict[str, float] = {}
    for cell in distribution.cells:
        before[cell.type] = before.get(cell.type, 0.0) + cell.rows / distribution.rows
        after[cell.type] = after.get(cell.type, 0.0) + cell.draws / distribution.draws
    types = sorted(before, key=lambda name: (-before[name], name))
    shown, rest = types[:_SHOWN], types[_SHOWN:]
    bars = [(name, before[name], after[name]) for name in shown]
    if rest:
        bars.append(
            (f"{len(rest)} more types", sum(map(before.__getitem__, rest)), sum(map(after.__getitem__, rest)))
        )
    scale = (_WIDTH - _LEFT - _RIGHT) / max(max(was, now) for _, was, now in bars)
    drawn = [bar for place, one in enumerate(bars) for bar in _bars(60 + _ROW * place, *one, scale)]
    title = svg.text(16, 24, "Outcome types: share of the log and of the draws", font_size=15)
    return svg.document(_WIDTH, 70 + _ROW * len(bars), title, *_legend(), *drawn)


def _legend() -> list[Markup]:
    return [
        svg.rect(_LEFT, 36, 10, 10, fill=_BEFORE),
        svg.text(_LEFT + 16, 45, "in the log"),
        svg.rect(_LEFT + 110, 36, 10, 10, fill=_AFTER),
        svg.text(_LEFT + 126, 45, "drawn in training"),
    ]


def _bars(top: int, name: str, was: float, now: float, scale: float) -> list[Markup]:
    """An outcome type's name and its two bars."""
    parts = [svg.text(_LEFT - 8, top + 15, shortened(name, 34), text_anchor="end")]
    for y, share, colour in ((top, was, _BEFORE), (top + 11, now, _AFTER)):
        width = max(share * scale, 1.0)
        parts.append(svg.rect(_LEFT, y, width, 10, fill=colour))
        parts.append(svg.text(_LEFT + width + 6, y + 9, f"{share:.1%}", font_size=10))
    return parts
