"""CPU of a Session's LLM step in this source tree and in another one, taking turns on one server.

    git worktree add --detach ../old 0c6be71
    python benchmarks/against.py ../old

Each tree runs in a process of its own, which imports its own `benchmarks/session.py`. Ratios are the median
of pairs of turns; on a busy machine take more turns.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent.parent
_STEPS = 42  # of a turn, about


def benchmark(tree: Path) -> Any:
    """The module `benchmarks/session.py` of a source tree."""
    spec = importlib.util.spec_from_file_location("session_benchmark", tree / "benchmarks" / "session.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def serve(tree: Path, calls: int, url: str) -> None:
    """Run a turn of sessions for each line of the input, and print its CPU in ms a step: all, the loop's."""
    session = benchmark(tree)
    shelf = session.Shelf()
    tools = session.Toolset.from_object(shelf)
    sessions = max(1, _STEPS // (calls + 1))
    with tempfile.TemporaryDirectory() as folder:
        backend = session.resolve("openai:scripted", base_url=url, api_key="none")
        journal = (getattr(session, "SQLiteJournal", None) or session.Journal)(Path(folder) / "journal.db")
        await session.one_session(backend, shelf, tools, journal)
        print("ready", flush=True)
        for _ in sys.stdin:
            process, thread = time.process_time(), time.thread_time()
            for _ in range(sessions):
                await session.one_session(backend, shelf, tools, journal)
            each = 1e3 / sessions / (calls + 1)
            print((time.process_time() - process) * each, (time.thread_time() - thread) * each, flush=True)
        await backend.aclose()
        journal.close()


def compare(trees: list[Path], calls: int, turns: int) -> None:
    """Print the CPU of a step in each tree, and its ratio to the last tree's."""
    found: list[list[tuple[float, ...]]] = [[] for _ in trees]
    with benchmark(HERE).Server(calls, 0.0) as server:
        command = [sys.executable, __file__, "--calls", str(calls), "--url", server.base_url]
        workers = [
            subprocess.Popen(
                [*command, str(tree)], env=os.environ | {"PYTHONPATH": str(tree)}, text=True, cwd=tree,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            )
            for tree in trees
        ]  # fmt: skip
        lines = [(worker.stdin, worker.stdout) for worker in workers]
        for _, output in lines:
            assert output is not None
            output.readline()
        pairs = list(zip(found, lines, strict=True))
        for turn in range(turns):
            for rows, (order, output) in pairs if turn % 2 else pairs[::-1]:
                assert order is not None
                assert output is not None
                print("go", file=order, flush=True)
                rows.append(tuple(map(float, output.readline().split())))
        for worker in workers:
            worker.communicate()
    for tree, rows in zip(trees, found, strict=True):
        whole, thread = (statistics.median(column) for column in zip(*rows, strict=True))
        ratio = statistics.median(row[0] / old[0] for row, old in zip(rows, found[-1], strict=True))
        print(f"{calls} calls, {tree}: {whole:.2f} ms, its loop {thread:.2f} ms, ratio {ratio:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("tree", type=Path, help="the other source tree")
    parser.add_argument("--turns", type=int, default=60)
    parser.add_argument("--calls", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    tree = arguments.tree.resolve()
    if arguments.url is not None:
        asyncio.run(serve(tree, arguments.calls, arguments.url))
        return
    for calls in (6, 41):
        compare([HERE, tree], calls, arguments.turns)


if __name__ == "__main__":
    main()
