"""Plots of a fidelity report, as SVG that needs no script and no font of its own."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from artis_sdk.evals.fidelity.records import Bin
from artis_sdk.evals.intervals import Estimate

_WIDTH = 640  # of all plots, in SVG units
_LABELS = 240  # for names at the left


def interval_bars(rows: Sequence[tuple[str, Estimate, str]]) -> str:
    """Horizontal bars from 0 to 100 percent with the interval on each.

    Args:
        rows: a name, the share, and the CSS class of the bar.
    """
    height = 22 * len(rows) + 26
    across = _WIDTH - _LABELS - 70
    parts = [_open(height)]
    for tick in (0, 25, 50, 75, 100):
        x = _LABELS + across * tick / 100
        parts.append(_line("grid", x, 0, x, height - 20))
        parts.append(_text(x, height - 6, f"{tick}%", "middle"))
    for n, (name, found, kind) in enumerate(rows):
        y = 22 * n + 4
        parts.append(_text(_LABELS - 8, y + 12, _shortened(name, 34), "end"))
        if found.value is None or found.low is None or found.high is None:
            parts.append(_text(_LABELS + 4, y + 12, "-", "start"))
            continue
        parts.append(
            f'<rect class="bar {escape(kind)}" x="{_LABELS}" y="{y}" width="{across * found.value:.1f}" '
            f'height="15"><title>{escape(name)}: {found}% of {found.n}</title></rect>'
        )
        low, high = _LABELS + across * found.low, _LABELS + across * found.high
        ends = f"M{low:.1f} {y + 4}v7M{high:.1f} {y + 4}v7"
        parts.append(f'<path class="whisker" d="M{low:.1f} {y + 7.5}H{high:.1f}{ends}"/>')
        parts.append(_text(_WIDTH - 64, y + 12, f"{found.value:.0%} of {found.n}", "start"))
    return "".join([*parts, "</svg>"])


def reliability(bins: Sequence[Bin]) -> str:
    """How often calls failed, against how often they were said to; on the diagonal all is well."""
    side, left, bottom = 260, 60, 300
    parts = [_open(340)]
    for tick in (0, 25, 50, 75, 100):
        at = side * tick / 100
        parts.append(_line("grid", left, bottom - at, left + side, bottom - at))
        parts.append(_text(left - 6, bottom - at + 4, f"{tick}%", "end"))
        parts.append(_text(left + at, bottom + 16, f"{tick}%", "middle"))
    parts.append(_line("diagonal", left, bottom, left + side, bottom - side))
    parts.append(_text(left + side / 2, bottom + 34, "said to fail", "middle"))
    beside, middle = left + side + 16, bottom - side / 2
    parts.append(_text(beside, middle, "did fail, with its interval;", "start"))
    parts.append(_text(beside, middle + 16, "the larger the dot, the more calls", "start"))
    most = max((one.failed.n for one in bins), default=1)
    for one in bins:
        found = one.failed
        if found.value is None or found.low is None or found.high is None:
            continue
        x = left + side * one.predicted
        low, high, y = (bottom - side * value for value in (found.low, found.high, found.value))
        parts.append(f'<path class="whisker" d="M{x:.1f} {low:.1f}V{high:.1f}"/>')
        parts.append(
            f'<circle class="bar recall" cx="{x:.1f}" cy="{y:.1f}" r="{3 + 7 * (found.n / most) ** 0.5:.1f}">'
            f"<title>said {one.predicted:.0%}, failed {found}% of {found.n}</title></circle>"
        )
    return "".join([*parts, "</svg>"])


def histogram(counts: Sequence[int]) -> str:
    """Rows by similarity, 0 to 1."""
    left, bottom, tall = 60, 150, 130
    across = _WIDTH - left - 20
    most = max(counts, default=0) or 1
    wide = across / len(counts)
    parts = [_open(190)]
    for n, count in enumerate(counts):
        height = tall * count / most
        kind = "recall" if n + 1 == len(counts) else "plain"
        parts.append(
            f'<rect class="bar {kind}" x="{left + n * wide + 1:.1f}" y="{bottom - height:.1f}" '
            f'width="{wide - 2:.1f}" height="{height:.1f}"><title>{n / len(counts):.2f} to '
            f"{(n + 1) / len(counts):.2f}: {count:,}</title></rect>"
        )
    ticks = (0.0, 0.25, 0.5, 0.75, 1.0)
    parts += [_text(left + across * tick, bottom + 16, f"{tick:g}", "middle") for tick in ticks]
    parts.append(_text(left - 6, bottom - tall + 8, f"{most:,}", "end"))
    parts.append(_text(left + across / 2, bottom + 34, "similarity of predicted and real outcome", "middle"))
    return "".join([*parts, "</svg>"])


def _open(height: float) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height:g}" width="{_WIDTH}" role="img" '
        'xmlns="http://www.w3.org/2000/svg">'
    )


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, said: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(said)}</text>'


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
