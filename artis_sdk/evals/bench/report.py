"""The benchmark's rows as tables (the paper's 1 and 4) and as a plot (figures 4 and 5)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from math import ceil
from typing import Final, NamedTuple

from artis_sdk.evals.bench.pocket import BenchCell, TaskRow
from artis_sdk.evals.intervals import Estimate, share
from artis_sdk.records import Role, Usage

_ROLES: Final = (Role.ACTION, Role.SIMULATION, Role.EVALUATION, Role.SUMMARY)
_COLOURS: Final = ("#0b6e99", "#c4552d", "#3f8f3f", "#8a4fbf", "#b8860b", "#555555", "#d4508c", "#2aa198")
_BOTTOM: Final = 320
"""Of the plots' frames, in SVG units."""


class Line(NamedTuple):
    """What came of a cell."""

    cell: BenchCell
    rows: int
    accuracy: Estimate
    hidden: Estimate
    """On tasks whose obvious plan is refused."""
    plain: Estimate
    """On all others."""
    families: dict[str, tuple[int, int]]
    """Tasks fulfilled, of how many."""
    usage: dict[Role, Usage]
    """A task, by role: totals over all rows."""
    errors: int

    @property
    def tokens(self) -> float:
        """Of one task, all roles."""
        return sum(used.total_tokens for used in self.usage.values()) / max(self.rows, 1)


def lines(rows: Iterable[TaskRow]) -> list[Line]:
    """One line a cell, in the order in which cells come up."""
    by_cell: dict[BenchCell, list[TaskRow]] = {}
    for row in rows:
        by_cell.setdefault(row.cell, []).append(row)
    return [_line(cell, found) for cell, found in by_cell.items()]


def _line(cell: BenchCell, rows: list[TaskRow]) -> Line:
    usage: dict[Role, Usage] = {}
    for row in rows:
        for role, used in row.usage.items():
            usage[role] = usage.get(role, Usage()) + used
    hidden = [row.fulfilled for row in rows if row.hidden]
    plain = [row.fulfilled for row in rows if not row.hidden]
    right = Counter(row.family for row in rows if row.fulfilled)
    by_family = Counter(row.family for row in rows)
    return Line(
        cell,
        len(rows),
        share(sum(hidden) + sum(plain), len(rows)),
        share(sum(hidden), len(hidden)),
        share(sum(plain), len(plain)),
        {name: (right[name], count) for name, count in by_family.items()},
        usage,
        sum(row.error is not None for row in rows),
    )


def table(found: Sequence[Line]) -> str:
    """Accuracy and cost, as Markdown."""
    head = "| method | simulator | N | tasks | accuracy | hidden obstacle | none | tokens a task |"
    parts = [head, "|---|---|---|---|---|---|---|---|"]
    parts += [
        f"| {_start(line.cell)} | {line.rows} | {line.accuracy} | {line.hidden} | {line.plain} "
        f"| {line.tokens:,.0f} |"
        for line in found
    ]
    return "\n".join(parts) + "\n"


def families(found: Sequence[Line]) -> str:
    """Fulfilled tasks by family (the paper's table 1 by category), as Markdown."""
    names = sorted({name for line in found for name in line.families})
    head = "| method | simulator | N | " + " | ".join(f"`{name}`" for name in names) + " |"
    parts = [head, "|---|---|---|" + "---|" * len(names)]
    for line in found:
        shown = [f"{right} of {rows}" for right, rows in (line.families.get(name, (0, 0)) for name in names)]
        parts.append(f"| {_start(line.cell)} | {' | '.join(shown)} |")
    return "\n".join(parts) + "\n"


def costs(found: Sequence[Line]) -> str:
    """Model calls, tokens written and tokens read by role (the paper's table 4), a task each, as Markdown."""
    names = " | ".join(role.value for role in _ROLES)
    parts = [f"| method | simulator | N | all | {names} |", "|---|---|---|---|" + "---|" * len(_ROLES)]
    for line in found:
        shown = [sum(line.usage.values(), Usage()), *(line.usage.get(role, Usage()) for role in _ROLES)]
        told = " | ".join(
            f"{used.requests / line.rows:.1f}: {used.completion_tokens / line.rows:,.0f} + "
            f"{used.prompt_tokens / line.rows:,.0f}"
            if used.requests
            else "–"
            for used in shown
        )
        parts.append(f"| {_start(line.cell)} | {told} |")
    return "\n".join(parts) + "\n"


def _start(cell: BenchCell) -> str:
    method = cell.method + (f" without {cell.without}" if cell.without else "")
    return f"{method} | {cell.simulator or '–'} | {cell.n}"


def plot(found: Sequence[Line]) -> str:
    """Accuracy and tokens written over N, one line a method and simulator (figures 4 and 5), as SVG."""
    begin = [line for line in found if line.cell.n == 0]
    curves: dict[str, list[Line]] = {}
    for line in found:
        if line.cell.n:
            curves.setdefault(line.cell.curve, list(begin)).append(line)
    for members in curves.values():
        members.sort(key=lambda line: line.cell.n)
    ticks = sorted({line.cell.n for line in found})
    height = max(_BOTTOM + 50, 40 + 18 * len(curves))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1040 {height}" font-family="sans-serif" '
        f'font-size="11"><rect width="1040" height="{height}" fill="white"/>'
    ]
    accuracy = _Panel(50, "fulfilled, %", ticks, 100.0)
    most = max((_written(line) for line in found), default=0.0) / 1000
    tokens = _Panel(390, "completion tokens a task, thousands", ticks, max(ceil(2 * most) / 2, 0.5))
    parts += [accuracy.frame(), tokens.frame()]
    for place, (name, members) in enumerate(curves.items()):
        style = f'stroke="{_COLOURS[place % len(_COLOURS)]}"'
        if place >= len(_COLOURS):
            style += ' stroke-dasharray="5 3"'
        parts.append(
            accuracy.curve(style, [(line.cell.n, 100 * (line.accuracy.value or 0.0)) for line in members])
        )
        parts.append(tokens.curve(style, [(line.cell.n, _written(line) / 1000) for line in members]))
        for line in members:
            low, high = 100 * (line.accuracy.low or 0.0), 100 * (line.accuracy.high or 0.0)
            told = f"{name}, N = {line.cell.n}: {line.accuracy}"
            parts.append(accuracy.whisker(style, line.cell.n, low, high, told))
        y = 24 + 18 * place
        parts.append(f'<line x1="716" y1="{y}" x2="740" y2="{y}" {style} stroke-width="2"/>')
        parts.append(f'<text x="746" y="{y + 4}">{escape(name)}</text>')
    return "".join([*parts, "</svg>\n"])


def _written(line: Line) -> float:
    return sum(used.completion_tokens for used in line.usage.values()) / max(line.rows, 1)


class _Panel(NamedTuple):
    """A plot over the number of attempts."""

    left: float
    title: str
    ticks: Sequence[int]
    most: float
    """The value at the top."""

    def at(self, n: float, value: float) -> tuple[float, float]:
        return self.left + 280 * n / (self.ticks[-1] or 1), _BOTTOM - 280 * value / self.most

    def frame(self) -> str:
        parts = [f'<text x="{self.left}" y="20">{escape(self.title)}</text>']
        for fifth in range(6):
            x, y = self.at(0, self.most * fifth / 5)
            told = f"{self.most * fifth / 5:.3g}"
            parts.append(f'<line x1="{x}" y1="{y:.1f}" x2="{x + 280}" y2="{y:.1f}" stroke="#ddd"/>')
            parts.append(f'<text x="{x - 6}" y="{y + 4:.1f}" text-anchor="end">{told}</text>')
        for n in self.ticks:
            x, y = self.at(n, 0)
            parts.append(f'<text x="{x:.1f}" y="{y + 16:.1f}" text-anchor="middle">{n}</text>')
        parts.append(f'<text x="{self.left + 140}" y="{_BOTTOM + 34}" text-anchor="middle">attempts N</text>')
        return "".join(parts)

    def curve(self, style: str, points: Iterable[tuple[int, float]]) -> str:
        path = " ".join("{:.1f},{:.1f}".format(*self.at(n, value)) for n, value in points)
        return f'<polyline points="{path}" fill="none" {style} stroke-width="2"/>'

    def whisker(self, style: str, n: int, low: float, high: float, told: str) -> str:
        (x, bottom), (_, top) = self.at(n, low), self.at(n, high)
        ends = f'x1="{x:.1f}" y1="{bottom:.1f}" x2="{x:.1f}" y2="{top:.1f}"'
        return f'<line {ends} {style} opacity="0.5"><title>{escape(told)}</title></line>'
