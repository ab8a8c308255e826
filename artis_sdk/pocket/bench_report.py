"""The benchmark's rows as tables (the paper's 1, 2 and 4) and as a plot (figure 5)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final, NamedTuple

from artis_sdk.evals.intervals import Estimate, share
from artis_sdk.pocket.bench import Cell, Row
from artis_sdk.records import Role, Usage

_ROLES: Final = (Role.ACTION, Role.SIMULATION, Role.EVALUATION, Role.SUMMARY)
_COLOURS: Final = ("#0b6e99", "#c4552d", "#3f8f3f", "#8a4fbf", "#b8860b", "#555555", "#d4508c", "#2aa198")


class Line(NamedTuple):
    """What came of a cell."""

    cell: Cell
    rows: int
    accuracy: Estimate
    hidden: Estimate
    """On tasks whose obvious plan is refused."""
    plain: Estimate
    """On all others."""
    usage: dict[Role, Usage]
    """A task, by role: totals over all rows."""
    errors: int

    @property
    def tokens(self) -> float:
        """Of one task, all roles."""
        return sum(used.total_tokens for used in self.usage.values()) / max(self.rows, 1)


def lines(rows: Iterable[Row]) -> list[Line]:
    """One line a cell, in the order in which cells come up."""
    by_cell: dict[Cell, list[Row]] = {}
    for row in rows:
        by_cell.setdefault(row.cell, []).append(row)
    return [_line(cell, found) for cell, found in by_cell.items()]


def _line(cell: Cell, rows: list[Row]) -> Line:
    usage: dict[Role, Usage] = {}
    for row in rows:
        for role, used in row.usage.items():
            usage[role] = usage.get(role, Usage()) + used
    hidden = [row.fulfilled for row in rows if row.hidden]
    plain = [row.fulfilled for row in rows if not row.hidden]
    return Line(
        cell,
        len(rows),
        share(sum(hidden) + sum(plain), len(rows)),
        share(sum(hidden), len(hidden)),
        share(sum(plain), len(plain)),
        usage,
        sum(row.error is not None for row in rows),
    )


def table(found: Sequence[Line]) -> str:
    """Accuracy and cost, as Markdown."""
    head = "| method | simulator | N | tasks | accuracy | hidden obstacle | none | tokens a task |"
    parts = [head, "|---|---|---|---|---|---|---|---|"]
    parts += [
        f"| {line.cell.method} | {line.cell.simulator or '–'} | {line.cell.n} | {line.rows} "
        f"| {line.accuracy} | {line.hidden} | {line.plain} | {line.tokens:,.0f} |"
        for line in found
    ]
    return "\n".join(parts) + "\n"


def costs(found: Sequence[Line]) -> str:
    """Model calls and tokens by role (the paper's table 4), a task each, as Markdown."""
    names = " | ".join(f"{role.value}: calls, tokens" for role in _ROLES)
    parts = [f"| method | simulator | N | {names} |", "|---|---|---|" + "---|" * len(_ROLES)]
    for line in found:
        shown = [line.usage.get(role, Usage()) for role in _ROLES]
        told = " | ".join(
            f"{used.requests / line.rows:.1f}, {used.total_tokens / line.rows:,.0f}" for used in shown
        )
        parts.append(f"| {line.cell.method} | {line.cell.simulator or '–'} | {line.cell.n} | {told} |")
    return "\n".join(parts) + "\n"


def plot(found: Sequence[Line]) -> str:
    """Accuracy over N, one line for each method and simulator, as SVG."""
    width, height, left, bottom = 720, 380, 50, 330
    most = max([line.cell.n for line in found], default=1) or 1
    start = [line for line in found if line.cell.n == 0]
    curves: dict[str, list[Line]] = {}
    for line in found:
        if line.cell.n:
            name = line.cell.method + (f", {line.cell.simulator}" if line.cell.simulator else "")
            curves.setdefault(name, list(start)).append(line)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        f'font-size="11"><rect width="{width}" height="{height}" fill="white"/>'
    ]

    def at(n: float, value: float) -> tuple[float, float]:
        return left + 400 * n / most, bottom - 300 * value

    for percent in range(0, 101, 20):
        x, y = at(0, percent / 100)
        parts.append(f'<line x1="{x}" y1="{y}" x2="{x + 400}" y2="{y}" stroke="#ddd"/>')
        parts.append(f'<text x="{x - 6}" y="{y + 4}" text-anchor="end">{percent}%</text>')
    for n in sorted({line.cell.n for line in found}):
        x, y = at(n, 0)
        parts.append(f'<text x="{x}" y="{y + 16}" text-anchor="middle">{n}</text>')
    parts.append(f'<text x="{left + 200}" y="{bottom + 34}" text-anchor="middle">attempts N</text>')
    for place, (name, members) in enumerate(curves.items()):
        colour = _COLOURS[place % len(_COLOURS)]
        members.sort(key=lambda line: line.cell.n)
        points = [at(line.cell.n, line.accuracy.value or 0.0) for line in members]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for line, (x, _) in zip(members, points, strict=True):
            low, high = (at(0, end or 0.0)[1] for end in (line.accuracy.low, line.accuracy.high))
            parts.append(
                f'<line x1="{x:.1f}" y1="{low:.1f}" x2="{x:.1f}" y2="{high:.1f}" stroke="{colour}" '
                f'opacity="0.5"><title>{escape(name)}, N = {line.cell.n}: {line.accuracy}</title></line>'
            )
        y = 24 + 18 * place
        parts.append(f'<line x1="480" y1="{y}" x2="500" y2="{y}" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="506" y="{y + 4}">{escape(name)}</text>')
    return "".join([*parts, "</svg>\n"])
