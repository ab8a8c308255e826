"""Plots of a fidelity report, for its page."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from artis_sdk.evals.fidelity.records import Bin
from artis_sdk.evals.intervals import Estimate
from artis_sdk.view import svg
from artis_sdk.visible import shortened

_WIDTH = 640  # of all plots, in SVG units
_LABELS = 240  # for names at the left


def interval_bars(rows: Sequence[tuple[str, Estimate, str]]) -> Markup:
    """Horizontal bars from 0 to 100 percent with the interval on each.

    Args:
        rows: name, share and CSS class of each bar.
    """
    height = 22 * len(rows) + 26
    across = _WIDTH - _LABELS - 70
    parts = []
    for tick in (0, 25, 50, 75, 100):
        x = _LABELS + across * tick / 100
        parts.append(svg.line(x, 0, x, height - 20, class_="grid"))
        parts.append(svg.text(x, height - 6, f"{tick}%", text_anchor="middle"))
    for n, (name, found, kind) in enumerate(rows):
        y = 22 * n + 4
        parts.append(svg.text(_LABELS - 8, y + 12, shortened(name, 34), text_anchor="end"))
        if found.value is None or found.low is None or found.high is None:
            parts.append(svg.text(_LABELS + 4, y + 12, "-"))
            continue
        told = svg.tooltip(f"{name}: {found}% of {found.n}")
        parts.append(svg.rect(_LABELS, y, across * found.value, 15, told, class_=f"bar {kind}"))
        low, high = _LABELS + across * found.low, _LABELS + across * found.high
        ends = f"M{low:.1f} {y + 4}v7M{high:.1f} {y + 4}v7"
        parts.append(svg.element("path", class_="whisker", d=f"M{low:.1f} {y + 7.5}H{high:.1f}{ends}"))
        parts.append(svg.text(_WIDTH - 64, y + 12, f"{found.value:.0%} of {found.n}"))
    return svg.figure(_WIDTH, height, *parts)


def reliability(bins: Sequence[Bin]) -> Markup:
    """Observed share of failed calls against the predicted one; the diagonal is a perfect prediction."""
    side, left, bottom = 260, 60, 300
    parts = []
    for tick in (0, 25, 50, 75, 100):
        at = side * tick / 100
        parts.append(svg.line(left, bottom - at, left + side, bottom - at, class_="grid"))
        parts.append(svg.text(left - 6, bottom - at + 4, f"{tick}%", text_anchor="end"))
        parts.append(svg.text(left + at, bottom + 16, f"{tick}%", text_anchor="middle"))
    parts.append(svg.line(left, bottom, left + side, bottom - side, class_="diagonal"))
    parts.append(svg.text(left + side / 2, bottom + 34, "said to fail", text_anchor="middle"))
    beside, middle = left + side + 16, bottom - side / 2
    parts.append(svg.text(beside, middle, "did fail, with its interval;"))
    parts.append(svg.text(beside, middle + 16, "the larger the dot, the more calls"))
    most = max((one.failed.n for one in bins), default=1)
    for one in bins:
        found = one.failed
        if found.value is None or found.low is None or found.high is None:
            continue
        x = left + side * one.predicted
        low, high, y = (bottom - side * value for value in (found.low, found.high, found.value))
        parts.append(svg.element("path", class_="whisker", d=f"M{x:.1f} {low:.1f}V{high:.1f}"))
        told = svg.tooltip(f"said {one.predicted:.0%}, failed {found}% of {found.n}")
        parts.append(svg.circle(x, y, 3 + 7 * (found.n / most) ** 0.5, told, class_="bar recall"))
    return svg.figure(_WIDTH, 340, *parts)


def histogram(counts: Sequence[int]) -> Markup:
    """Histogram of rows by similarity, 0 to 1."""
    left, bottom, tall = 60, 150, 130
    across = _WIDTH - left - 20
    most = max(counts, default=0) or 1
    wide = across / len(counts)
    parts = []
    for n, count in enumerate(counts):
        height = tall * count / most
        told = svg.tooltip(f"{n / len(counts):.2f} to {(n + 1) / len(counts):.2f}: {count:,}")
        kind = "bar recall" if n + 1 == len(counts) else "bar plain"
        parts.append(svg.rect(left + n * wide + 1, bottom - height, wide - 2, height, told, class_=kind))
    ticks = (0.0, 0.25, 0.5, 0.75, 1.0)
    parts += [svg.text(left + across * at, bottom + 16, f"{at:g}", text_anchor="middle") for at in ticks]
    parts.append(svg.text(left - 6, bottom - tall + 8, f"{most:,}", text_anchor="end"))
    axis = "similarity of predicted and real outcome"
    parts.append(svg.text(left + across / 2, bottom + 34, axis, text_anchor="middle"))
    return svg.figure(_WIDTH, 190, *parts)
