"""The benchmark's rows as tables (the paper's 1 and 4) and as a plot (figures 4 and 5)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from artis_sdk.evals.bench.cells import CONTROLS, BenchCell
from artis_sdk.evals.bench.rows import TaskRow
from artis_sdk.evals.intervals import Estimate, mean, share
from artis_sdk.pocket.oracle import KINDS
from artis_sdk.records import Role, Usage
from artis_sdk.view import markdown
from artis_sdk.view.curves import Curve, Panel, curves

_START: Final = ("method", "simulator", "N")
_ROLES: Final = (Role.ACTION, Role.SIMULATION, Role.EVALUATION, Role.SUMMARY)


class Line(NamedTuple):
    """Results of a cell."""

    cell: BenchCell
    rows: int
    accuracy: Estimate
    hidden: Estimate
    """Accuracy on tasks whose obvious plan is refused."""
    plain: Estimate
    """Accuracy on all other tasks."""
    score: Estimate | None
    """Mean share of a task that was done; None for a world that does not tell."""
    families: dict[str, tuple[int, int]]
    """Tasks fulfilled, of how many."""
    kinds: dict[str, tuple[int, int]]
    """The same by kind, see `BenchmarkTask.kind`."""
    refused: int
    """Number of real calls that failed."""
    damaged: int
    """Number of tasks left half done beyond repair."""
    judged: int
    """Number of judged attempts."""
    passed: int
    """Number of attempts judged right."""
    usage: dict[Role, Usage]
    """Total usage over all rows, by role."""
    errors: int
    diverged: int
    unforeseen: int
    stopped: int
    commit_tokens: float
    """Mean tokens of one task's commits."""
    commit_seconds: float
    """Mean seconds of one task's commits."""

    @property
    def tokens(self) -> float:
        """Mean tokens of one task, all roles."""
        return sum(used.total_tokens for used in self.usage.values()) / max(self.rows, 1)

    @property
    def cpu_seconds(self) -> float:
        """Mean CPU seconds that engines of this process computed for one task, all roles; 0 for servers."""
        return sum(used.cpu_seconds for used in self.usage.values()) / max(self.rows, 1)


def lines(rows: Iterable[TaskRow]) -> list[Line]:
    """One line per cell, in the order in which cells first occur."""
    by_cell: dict[BenchCell, list[TaskRow]] = {}
    for row in rows:
        by_cell.setdefault(row.cell, []).append(row)
    return [_line(cell, found) for cell, found in by_cell.items()]


def _line(cell: BenchCell, rows: list[TaskRow]) -> Line:
    usage: dict[Role, Usage] = {}
    for row in rows:
        for role, used in row.usage.items():
            usage[role] = usage.get(role, Usage()) + used
    scores = [row.score for row in rows if row.score is not None]
    hidden = [row.fulfilled for row in rows if row.hidden]
    plain = [row.fulfilled for row in rows if not row.hidden]
    return Line(
        cell,
        len(rows),
        share(sum(hidden) + sum(plain), len(rows)),
        share(sum(hidden), len(hidden)),
        share(sum(plain), len(plain)),
        mean(scores, [row.task for row in rows if row.score is not None]) if scores else None,
        _by([(row.family, row.fulfilled) for row in rows]),
        _by([(row.kind, row.fulfilled) for row in rows]),
        sum(row.refused for row in rows),
        sum(row.damaged for row in rows),
        sum(row.judged for row in rows),
        sum(row.passed for row in rows),
        usage,
        sum(row.error is not None for row in rows),
        sum(row.diverged for row in rows),
        sum(row.unforeseen for row in rows),
        sum(row.stopped for row in rows),
        sum(row.commit_tokens for row in rows) / len(rows),
        sum(row.commit_seconds for row in rows) / len(rows),
    )


def _by(rows: Sequence[tuple[str, bool]]) -> dict[str, tuple[int, int]]:
    """Tasks fulfilled, of how many, by name."""
    right = Counter(name for name, fulfilled in rows if fulfilled)
    return {name: (right[name], count) for name, count in Counter(name for name, _ in rows).items()}


def table(found: Sequence[Line]) -> str:
    """Accuracy and cost, as Markdown."""
    scored = ("done, mean",) if any(line.score for line in found) else ()
    computed = ("CPU s a task",) if any(line.cpu_seconds for line in found) else ()
    head = (*_START, "tasks", "accuracy", *scored, "hidden obstacle", "none", "tokens a task", *computed)
    rows = [
        (
            *_start(line.cell),
            line.rows,
            line.accuracy,
            *(line.score or "–" for _ in scored),
            line.hidden,
            line.plain,
            f"{line.tokens:,.0f}",
            *(seconds(line.cpu_seconds) for _ in computed),
        )
        for line in found
    ]
    return markdown.table(head, rows) + "\n"


def seconds(cpu: float) -> str:
    """CPU seconds for a table; a dash for none."""
    return f"{cpu:,.1f}" if cpu else "–"


def commits(found: Sequence[Line]) -> str:
    """The ways to commit, as Markdown; empty without a cell that names one."""
    wanted = [line for line in found if line.cell.mode is not None]
    calls = ("stopped", "unforeseen calls", "diverged calls")
    head = (*_START, "mode", "tasks", "fulfilled", "hidden obstacle", *calls, "commit: tokens", "seconds")
    rows = [
        (
            *_start(line.cell),
            line.cell.mode,
            line.rows,
            line.accuracy,
            line.hidden,
            line.stopped,
            line.unforeseen,
            line.diverged,
            f"{line.commit_tokens:,.0f}",
            f"{line.commit_seconds:.2f}",
        )
        for line in wanted
    ]
    return markdown.table(head, rows) + "\n" if rows else ""


def kinds(found: Sequence[Line]) -> str:
    """Fulfilled tasks by kind, and the real damage, as Markdown; empty for a world that knows no kinds."""
    names = [name for name in KINDS if any(name in line.kinds for line in found)]
    rows = [(*_start(line.cell), *_counts(line.kinds, names), line.refused, line.damaged) for line in found]
    head = (*_START, *names, "refused real calls", "tasks left half done")
    return markdown.table(head, rows) + "\n" if names else ""


def families(found: Sequence[Line]) -> str:
    """Fulfilled tasks by family (the paper's table 1 by category), as Markdown."""
    names = sorted({name for line in found for name in line.families})
    rows = [(*_start(line.cell), *_counts(line.families, names)) for line in found]
    return markdown.table((*_START, *(f"`{name}`" for name in names)), rows) + "\n"


def _counts(found: dict[str, tuple[int, int]], names: Sequence[str]) -> list[str]:
    return [f"{right} of {all_}" for right, all_ in (found.get(name, (0, 0)) for name in names)]


def costs(found: Sequence[Line]) -> str:
    """Model calls, tokens written and read per task by role (the paper's table 4), as Markdown.

    CPU seconds follow, where an engine of this process computed.
    """
    rows = []
    for line in found:
        shown = [sum(line.usage.values(), Usage()), *(line.usage.get(role, Usage()) for role in _ROLES)]
        told = [
            f"{used.requests / line.rows:.1f}: {used.completion_tokens / line.rows:,.0f} + "
            f"{used.prompt_tokens / line.rows:,.0f}"
            + (f", {seconds(used.cpu_seconds / line.rows)} s" if used.cpu_seconds else "")
            if used.requests
            else "–"
            for used in shown
        ]
        rows.append((*_start(line.cell), *told))
    return markdown.table((*_START, "all", *(role.value for role in _ROLES)), rows) + "\n"


def _start(cell: BenchCell) -> tuple[str, str, int]:
    """The first table entries of a row, below `_START`."""
    method = cell.method + (f" without {cell.without}" if cell.without else "")
    method += f", {cell.retries} retries" if cell.retries else ""
    return method, cell.simulator or "–", cell.n


def by_curve(found: Iterable[Line]) -> dict[str, list[Line]]:
    """Lines over the number of attempts, by method and simulator, controls left out.

    Each curve begins at N = 0, with direct execution with the fewest retries, which without any other line
    is a curve of its own.
    """
    played = [line for line in found if line.cell.method not in CONTROLS]
    direct = sorted((line for line in played if line.cell.n == 0), key=lambda line: line.cell.retries)
    members: dict[str, list[Line]] = {}
    for line in played:
        if line.cell.n:
            members.setdefault(line.cell.curve, direct[:1]).append(line)
    if direct and not members:
        return {direct[0].cell.curve: direct[:1]}
    return {name: sorted(several, key=lambda line: line.cell.n) for name, several in members.items()}


def accuracy_curve(name: str, several: Sequence[Line]) -> Curve:
    """Accuracy in percent over the number of attempts, with its intervals."""
    shares = [(line.cell.n, 100 * (line.accuracy.value or 0.0)) for line in several]
    ends = [(100 * (line.accuracy.low or 0.0), 100 * (line.accuracy.high or 0.0)) for line in several]
    return Curve(name, shares, ends)


def written_curve(name: str, several: Sequence[Line]) -> Curve:
    """Completion tokens a task, in thousands, over the number of attempts."""
    return Curve(name, [(line.cell.n, _written(line) / 1000) for line in several])


def plot(found: Sequence[Line], caption: str = "") -> str:
    """Accuracy and tokens written over N, one curve per method and simulator (figures 4 and 5), as SVG.

    Args:
        found: the cells' results, see `by_curve`.
        caption: further words for the line below the plots, such as date and command.
    """
    members = by_curve(found)
    shown = [line for line in found if line.cell.method not in CONTROLS]
    ticks = sorted({line.cell.n for line in shown})
    accuracy = [accuracy_curve(name, several) for name, several in members.items()]
    tokens = [written_curve(name, several) for name, several in members.items()]
    panels = [
        Panel("fulfilled, percent", accuracy, "attempts N", ticks),
        Panel("completion tokens a task, thousands", tokens, "attempts N", ticks),
    ]
    counts = sorted({line.rows for line in shown})
    tasks = f"{counts[0]} tasks" if len(counts) == 1 else f"{counts[0]} to {counts[-1]} tasks"
    said = f"{tasks} a point, 95 percent intervals" + (f"; {caption}" if caption else "")
    return curves([panel for panel in panels if panel.curves], caption=said)


def _written(line: Line) -> float:
    return sum(used.completion_tokens for used in line.usage.values()) / max(line.rows, 1)
