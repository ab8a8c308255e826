"""The rows of the loop's links as a table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from artis_sdk.evals.bench.links import LinkRow
from artis_sdk.evals.intervals import Estimate, share
from artis_sdk.view import markdown


class LinkLine(NamedTuple):
    """One measure of the loop."""

    name: str
    share: Estimate
    hits: int


def link_lines(rows: Iterable[LinkRow]) -> list[LinkLine]:
    """The measures of a set of rows; those without cases are empty."""
    by_link: dict[str, dict[str, LinkRow]] = {}
    for row in rows:
        by_link.setdefault(row.link, {})[row.task] = row

    def line(name: str, hits: Iterable[bool]) -> LinkLine:
        found = list(hits)
        return LinkLine(name, share(sum(found), len(found)), sum(found))

    def of(link: str) -> list[LinkRow]:
        return list(by_link.get(link, {}).values())

    def broken(link: str) -> Iterable[bool]:
        direct = by_link.get("direct", {})
        return [not row.right[0] for row in of(link) if row.task in direct and direct[row.task].right[0]]

    judged = of("judge right") + of("judge refused") + of("judge silent")
    return [
        line("agent: pass@1", (row.right[0] for row in of("attempts"))),
        line("agent: pass@N", (any(row.right) for row in of("attempts"))),
        line("judge: right attempts judged right", (row.right[0] for row in of("judge right"))),
        line("judge: refused attempts judged right", (row.right[0] for row in of("judge refused"))),
        line("judge: silent failures judged right", (row.right[0] for row in of("judge silent"))),
        line("judge: no readable verdict", (row.error is not None for row in judged)),
        line("commit without advice: fulfilled", (row.right[0] for row in of("direct"))),
        line("right attempt known, the model's summary: fulfilled", (row.right[0] for row in of("prose"))),
        line("right attempt known, its calls verbatim: fulfilled", (row.right[0] for row in of("verbatim"))),
        line("right attempt known, replayed: fulfilled", (row.right[0] for row in of("replay"))),
        line("right without advice, broken by the model's summary", broken("prose")),
        line("right without advice, broken by calls verbatim", broken("verbatim")),
    ]


def link_table(lines: Iterable[LinkLine]) -> str:
    """The measures as Markdown."""
    rows = [(line.name, f"{line.hits} of {line.share.n}", line.share) for line in lines]
    return markdown.table(("link", "cases", "percent"), rows) + "\n"
