"""Random programs of nested guarded calls: the sandbox gives what the plain code gives, on its fork."""

from __future__ import annotations

import asyncio
import copy
import pickle
from typing import Any

import pytest
from helpers import nested_programs
from helpers.simulators import Ledger, call, fork, outcomes, play
from hypothesis import given, settings
from hypothesis import strategies as st

from artis_sdk.simulators import SandboxSimulator
from artis_sdk.tools import Toolset, guarded_tool, running_code

Program = nested_programs.Program


class Machine(Ledger):
    """Runs programs whose instructions are guarded calls, made in every way that code has."""

    def __init__(self, leaf: Ledger) -> None:
        super().__init__()
        self.leaf = leaf

    @guarded_tool
    def fail(self, word: str) -> None:
        self.rows.append(word)
        raise ValueError(f"no more {word}")

    @guarded_tool
    def show(self) -> list[list[str]]:
        return [self.rows, self.leaf.rows]

    @guarded_tool
    def run(self, program: Program) -> list[Any]:
        """Sync code: it can only call."""
        results: list[Any] = []
        for kind, given_ in program:
            if kind in ("note", "fail"):
                results.append(getattr(self, kind)(given_))
            elif kind == "leaf":
                results.append(self.leaf.note(given_))
            elif kind == "catch":
                try:
                    results.append(self.run(given_))
                except ValueError as error:
                    results.append(str(error))
            else:
                results.append(self.run(given_))
        return results

    @guarded_tool
    async def arun(self, program: Program) -> list[Any]:
        results: list[Any] = []
        for kind, given_ in program:
            if kind in ("note", "fail"):
                results.append(getattr(self, kind)(given_))
            elif kind == "leaf":
                results.append(await asyncio.to_thread(self.leaf.note, given_))
            elif kind == "catch":
                try:
                    results.append(await self.arun(given_))
                except ValueError as error:
                    results.append(str(error))
            elif kind == "task":
                results.append(await asyncio.create_task(self.arun(given_)))
            elif kind == "thread":
                results.append(await asyncio.to_thread(self.run, given_))
            else:
                results.append(await self.arun(given_))
        return results


async def plain(machine: Machine, name: str, program: Program) -> tuple[str, Any]:
    """What the code gives where nothing is guarded."""
    try:
        result = getattr(machine, name)(program)
        return "success", (await result if name == "arun" else result)
    except ValueError as error:
        return "ValueError", {"error": str(error)}


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.sampled_from(["run", "arun"]), nested_programs.programs), max_size=3))
@pytest.mark.slow
def test_the_sandbox_gives_what_the_plain_code_gives(sequence: list[tuple[str, Program]]) -> None:
    async def compare() -> None:
        real = Machine(Ledger())
        before, oracle = pickle.dumps(real), copy.deepcopy(real)
        expected = [await plain(oracle, name, program) for name, program in sequence]
        with running_code("rehearsal"):
            attempt = fork(SandboxSimulator(), Toolset(real.run, real.arun, real.show))
            history = await play(attempt, [call(name, program=program) for name, program in sequence])
            assert outcomes(history) == expected
            shown = await attempt.predict(call("show"), None, history)
        assert shown.value == oracle.show()
        assert pickle.dumps(real) == before

    asyncio.run(compare())
