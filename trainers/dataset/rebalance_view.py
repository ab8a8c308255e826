"""The distribution before and after rebalancing, as a table for the terminal and as a plot (SVG)."""

from __future__ import annotations

from typing import Final
from xml.sax.saxutils import escape

from rich.table import Table

from artis_sdk.trainers.dataset.rebalance import Distribution

_SHOWN: Final = 40  # rows of the table, bars of the plot
_WIDTH, _ROW, _LEFT, _RIGHT = 860, 30, 240, 90  # pixels
_BEFORE, _AFTER = "#9aa5b1", "#2f6fde"


def table(distribution: Distribution, *, shown: int = _SHOWN) -> Table:
    """Rows and draws by tool and outcome type, the rarest last; beyond `shown` summed up."""
    made = Table(title="rows of the log, and draws of one epoch")
    for name in ("tool", "outcome"):
        made.add_column(name)
    for name in ("rows", "share", "draws", "share", "draws a row"):
        made.add_column(name, justify="right")
    cells = sorted(distribution.cells, key=lambda cell: (-cell.rows, cell.tool, cell.type))
    for cell in cells[:shown]:
        style = "green" if cell.type == "success" else "red"
        made.add_row(
            cell.tool,
            f"[{style}]{cell.type}[/]",
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
            f"{len(rest)} more", "", f"{rows:,}", f"{rows / distribution.rows:.1%}",
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
    height = 70 + _ROW * len(bars)
    longest = max(max(was, now) for _, was, now in bars)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}"'
        ' font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>',
        '<text x="16" y="24" font-size="15">Outcome types: share of the log and of the draws</text>',
        _legend(),
    ]
    scale = (_WIDTH - _LEFT - _RIGHT) / longest
    for place, (name, was, now) in enumerate(bars):
        parts.append(_bar(60 + _ROW * place, name, was, now, scale))
    return "\n".join([*parts, "</svg>", ""])


def _legend() -> str:
    return (
        f'<rect x="{_LEFT}" y="36" width="10" height="10" fill="{_BEFORE}"/>'
        f'<text x="{_LEFT + 16}" y="45">in the log</text>'
        f'<rect x="{_LEFT + 110}" y="36" width="10" height="10" fill="{_AFTER}"/>'
        f'<text x="{_LEFT + 126}" y="45">drawn in training</text>'
    )


def _bar(top: int, name: str, was: float, now: float, scale: float) -> str:
    label = name if len(name) <= 34 else name[:33] + "…"
    parts = [f'<text x="{_LEFT - 8}" y="{top + 15}" text-anchor="end">{escape(label)}</text>']
    for y, share, colour in ((top, was, _BEFORE), (top + 11, now, _AFTER)):
        width = max(share * scale, 1.0)
        parts.append(
            f'<rect x="{_LEFT}" y="{y}" width="{width:.1f}" height="10" fill="{colour}"/>'
            f'<text x="{_LEFT + width + 6:.1f}" y="{y + 9}" font-size="10">{share:.1%}</text>'
        )
    return "".join(parts)
