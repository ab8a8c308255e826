"""Source 4: a model sees the source around a mode that no call has reached, and writes calls for it."""

from __future__ import annotations

import asyncio
import linecache
from collections.abc import Sequence
from pathlib import Path

from artis_sdk.contracts import Backend
from artis_sdk.prompts import Prompts, encode_lines, encode_step
from artis_sdk.records import Message, Request, Step, ToolCall
from artis_sdk.records.action_text import parse_actions
from artis_sdk.tools.source_checks.code import SourceCode
from artis_sdk.tools.source_checks.read import FailureMode
from artis_sdk.trainers.generate.asking import Done, ModelSource, documents
from artis_sdk.trainers.generate.runner import Runner
from artis_sdk.trainers.generate.tasks import Draft

NAME = "targeted"

_MARK = ">>> "  # before the lines of the statement
_FUNCTIONS = 4  # sources in one prompt


class Targeted(ModelSource):
    """Requests calls, one mode after another.

    Args:
        runner: runner of the calls.
        backend: model that writes them.
        tries: maximum requests per mode; from the second on, the outcomes of the calls are shown.
        seed: seed of the model's answers.
        done: callback for every finished task.
        prompts: templates `targeted_*`.
    """

    def __init__(
        self, runner: Runner, backend: Backend, *, tries: int, seed: int, done: Done, prompts: Prompts
    ) -> None:
        super().__init__(runner, seed=seed, done=done, prompts=prompts)
        self._backend = backend
        self._tries = tries

    async def run(self, modes: Sequence[FailureMode]) -> None:
        """Request calls for each mode until it is reached, its tries are over, or the budget is spent."""
        for mode in modes:
            attempts: list[Step] = []
            for number in range(self._tries):
                if self._runner.spent or await self._try(mode, attempts, number):
                    break

    async def _try(self, mode: FailureMode, attempts: list[Step], number: int) -> bool:
        """Whether one answer's calls reached the mode; adds them to the attempts."""
        having = [n for n, world in enumerate(self._runner.worlds) if mode.tool in world.tools]
        world = having[number % len(having)]
        request = await self._request(mode, world, attempts, number)
        completion = await self._completion(self._backend, request)
        if completion is None:
            return False
        calls = [call for call in parse_actions(completion.text) or () if call.malformed is None]
        if not calls:
            self.notes.append(f"{mode.tool}, {mode.where}: {self._backend.name} wrote no calls")
            return False
        return await self._run(mode, world, calls, attempts)

    async def _run(
        self, mode: FailureMode, world: int, calls: Sequence[ToolCall], attempts: list[Step]
    ) -> bool:
        tools = self._runner.worlds[world].tools
        async with self._lock:
            ran = await asyncio.to_thread(self._runner.begin, Draft(NAME, world, tuple(calls)))
        for call in calls:
            step = await self._call(ran, call, tools)
            if step is None:
                break
            attempts.append(step)
        self._runner.finish(ran)
        self._done(ran)
        return any(mode.key == found.key for reached in ran.reached for found in reached.modes)

    async def _request(self, mode: FailureMode, world: int, attempts: Sequence[Step], number: int) -> Request:
        tools = self._runner.worlds[world].tools
        user = self._prompts.render(
            "targeted_user",
            tool_documents=documents(tools.specs),
            state=await self._state(world),
            source=self.source(mode),
            tool=mode.tool,
            statement=_lines(mode.site.file, mode.site.line, mode.site.end),
            condition=mode.site.condition,
            attempts=encode_lines(map(encode_step, attempts)) if attempts else None,
        )
        system = self._prompts.render("targeted_system")
        messages = (Message(role="system", content=system), Message(role="user", content=user))
        return Request(messages=messages, seed=self._seed + number)

    def source(self, mode: FailureMode) -> list[str]:
        """The tool's function and those between it and the statement, which is marked."""
        functions = self._runner.taxonomy.tools[mode.tool].functions
        wanted = [s for s in functions[1:] if s.name in mode.path or s.name == mode.site.function]
        return [_marked(source, mode) for source in (*functions[:1], *wanted)[:_FUNCTIONS]]


def _marked(source: SourceCode, mode: FailureMode) -> str:
    site, lines = mode.site, []
    for number in range(source.node.lineno, (source.node.end_lineno or source.node.lineno) + 1):
        here = source.file == site.file and site.line <= number <= site.end
        lines.append((_MARK if here else "") + linecache.getline(source.file, number).rstrip())
    return f"# {Path(source.file).name}\n" + "\n".join(lines)


def _lines(file: str, first: int, last: int) -> str:
    return "\n".join(linecache.getline(file, n).strip() for n in range(first, last + 1))
