"""How many of the ways in which real third-party tools fail does generated data show?

    python benchmarks/failures.py [--calls 5000] [--seed 0] [--json]

The tools are BFCL's eight multi-turn environments (128 tools), the log is their ground truth, and a site
is a `raise` or an error return in their source. At an equal number of calls: plain random mutation of the
ground truth, and generation steered by the failure taxonomy, without and with changed start states; and
four times as much plain mutation. No model takes part.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import linecache
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from typing import Any

from ground_truth import made_calls

from artis_sdk.evals.bench.bfcl import BFCLTask, guard, load_tasks
from artis_sdk.records import CallRecord
from artis_sdk.trainers.failure_modes.taxonomy import Taxonomy
from artis_sdk.trainers.generate import Coverage, GenerationBudget, StartState, generate

CATEGORIES = ("base", "long_context")  # the other two have the same start states as base

Site = tuple[str, int]


def tasks_of(limit: int | None = None) -> list[BFCLTask]:
    """Tasks of both kinds of start state."""
    return [task for category in CATEGORIES for task in load_tasks(category, limit)]


def worlds_of(tasks: Sequence[BFCLTask]) -> list[StartState]:
    """A start state a task; tasks of one index share a session, in both categories."""
    return [
        StartState(guard(task.instances()), session=f"bfcl-{task.id.rpartition('_')[2]}") for task in tasks
    ]


def ground_truth(tasks: Sequence[BFCLTask]) -> Iterator[CallRecord]:
    """Make the ground truth's calls: real rows, as production would leave them before redaction."""
    for task in tasks:
        for made in made_calls(task):
            yield CallRecord(
                at=time.time(),
                session=f"bfcl-{task.id.rpartition('_')[2]}",
                task=task.id,
                spec=made.tool.spec,
                source_hash=made.tool.source_hash,
                call=made.call,
                state=made.state,
                history=made.history,
                outcome=made.outcome,
                risk=made.tool.risk,
            )


def listed(taxonomy: Taxonomy) -> frozenset[Site]:
    """The sites that raise or name an error; what is left only says false."""
    found = set()
    for mode in taxonomy:
        site = mode.site
        text = "".join(linecache.getline(site.file, n) for n in range(site.line, site.end + 1))
        if site.kind == "raise" or any(word in text for word in ('"error"', "failure", '"Error')):
            found.add((site.file, site.line))
    return frozenset(found)


def cpu_seconds() -> float:
    return sum(getrusage(who).ru_utime + getrusage(who).ru_stime for who in (RUSAGE_SELF, RUSAGE_CHILDREN))


def row(
    name: str, coverage: Coverage, sources: Sequence[str], known: frozenset[Site], cpu: float
) -> dict[str, Any]:
    sites = coverage.sites(*sources)
    cells = {cell: n for source in sources for cell, n in coverage.types.get(source, {}).items()}
    failed = sum(n for (_, type_), n in cells.items() if type_ != "success")
    calls = sum(coverage.calls[source] for source in sources)
    return {
        "method": name,
        "calls": calls,
        "sites": len(sites & known),
        "all_sites": len(sites),
        "failed_share": round(failed / calls, 3) if cells else None,
        "cells": len(cells),
        "cpu_seconds": round(cpu, 1),
    }


async def measure(
    calls: int, seed: int, limit: int | None = None, say: Callable[[str], None] = print
) -> dict[str, Any]:
    """Run every method once.

    Args:
        calls: of each method but the ground truth.
        seed: of each method.
        limit: tasks of each category.
        say: told what is going on.
    """
    tasks = tasks_of(limit)
    worlds = worlds_of(tasks)
    began = cpu_seconds()
    taxonomy = Taxonomy(tool for world in worlds for tool in world.tools)
    known = listed(taxonomy)
    rows: list[dict[str, Any]] = []
    reading = round(cpu_seconds() - began, 2)
    methods: dict[str, dict[str, Any]] = {
        "random mutation of the ground truth": {"sources": ("mutation",)},
        "the same, four times the calls": {"sources": ("mutation",), "times": 4},
        "steered, start states as they are": {"sources": ("property",), "vary_state": False},
        "steered": {"sources": ("property",)},
        "mutation and steered together": {"sources": ("mutation", "property")},
    }
    truth = list(ground_truth(tasks))
    with tempfile.TemporaryDirectory() as folder:
        for name, options in methods.items():
            say(name)
            began = cpu_seconds()
            budget = GenerationBudget(calls=calls * options.pop("times", 1))
            made = await generate(
                worlds, truth, budget, seed, out=Path(folder) / f"{len(rows)}.db", **options
            )
            with made.log:
                if not rows:
                    rows.append(row("ground truth alone", made.coverage, ("log",), known, 0.0))
                rows.append(row(name, made.coverage, options["sources"], known, cpu_seconds() - began))
                rows[-1]["with_truth"] = len(made.coverage.sites() & known)
    return {
        "tools": len(taxonomy.tools),
        "modes": len(taxonomy),
        "sites": len(known),
        "sites_that_only_say_false": len(taxonomy.sites - known),
        "reading_cpu_seconds": reading,
        "methods": rows,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--calls", type=int, default=5000, help="of each method")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="one JSON document")
    given = parser.parse_args()
    silent = given.json
    found = asyncio.run(measure(given.calls, given.seed, say=(lambda _: None) if silent else print))
    if silent:
        print(json.dumps(found, indent=2))
        return
    print(
        f"\n{found['tools']} tools, {found['sites']} sites that raise or return an error, "
        f"{found['sites_that_only_say_false']} more that only say false; "
        f"read in {found['reading_cpu_seconds']} s\n"
    )
    print(f"{'':38} {'calls':>6} {'sites':>6} {'with truth':>10} {'failed':>7} {'cells':>6} {'CPU s':>6}")
    for one in found["methods"]:
        failed = "" if one["failed_share"] is None else f"{one['failed_share']:.0%}"
        print(
            f"{one['method']:38} {one['calls']:6} {one['sites']:6} {one.get('with_truth', ''):>10} "
            f"{failed:>7} {one['cells']:6} {one['cpu_seconds']:6}"
        )


if __name__ == "__main__":
    main()
