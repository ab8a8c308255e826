"""Source 1: queries written for the tools by a model, solved by a heterogeneous set of backends."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle

from artis_sdk.contracts import Backend
from artis_sdk.prompts import Prompts, call_view, encode, encode_lines, result_message
from artis_sdk.records import Message, Request, Step
from artis_sdk.records.action_text import parse_actions
from artis_sdk.trainers.generate.asking import Done, ModelSource, documents
from artis_sdk.trainers.generate.runner import Runner
from artis_sdk.trainers.generate.tasks import Draft, TaskRun

NAME = "agents"

_BATCH = 10  # queries per request
_EMPTY = 3  # answers without a new query after which a tool is dropped
_STEPS = 10  # turns of one task
_PARALLEL = 8  # tasks at once


class Agents(ModelSource):
    """Writes queries and lets the solvers solve them in the sandbox.

    Args:
        runner: runner of the calls.
        writer: model that writes queries.
        solvers: models that solve them, in turn.
        queries: least number of queries per tool.
        seed: seed of the writing, from which each query derives its own.
        done: callback for every finished task.
        prompts: templates `queries_*` and `action_*`.
    """

    def __init__(
        self,
        runner: Runner,
        writer: Backend,
        solvers: Sequence[Backend],
        *,
        queries: int,
        seed: int,
        done: Done,
        prompts: Prompts,
    ) -> None:
        super().__init__(runner, seed=seed, done=done, prompts=prompts)
        self._writer = writer
        self._solvers = solvers
        self._queries = queries
        self._places = asyncio.Semaphore(_PARALLEL)

    async def run(self) -> None:
        """Write and solve, until every tool has its queries or the budget is spent.

        A tool for which the model finds no more queries, and a backend that fails, are noted.
        """
        solvers = cycle(self._solvers)
        worlds: dict[str, int] = {}
        for number, world in enumerate(self._runner.worlds):
            for tool in world.tools:
                worlds.setdefault(tool.name, number)
        async with asyncio.TaskGroup() as group:
            for name in sorted(worlds):
                if self._runner.spent:
                    break
                for query in await self.write(name, worlds[name]):
                    await self._places.acquire()
                    task = group.create_task(self._solve(query, worlds[name], next(solvers)))
                    task.add_done_callback(lambda _: self._places.release())

    async def write(self, tool: str, world: int) -> list[str]:
        """Distinct queries that need a tool, `queries` of them if the model has so many."""
        tools = self._runner.worlds[world].tools
        state = await self._state(world)
        found: dict[str, None] = {}
        empty = 0
        while len(found) < self._queries and empty < _EMPTY:
            user = self._prompts.render(
                "queries_user",
                tool_documents=documents(tools.specs),
                state=state,
                tool=tool,
                known=list(found)[-30:] or None,
                count=min(_BATCH, self._queries - len(found)),
            )
            system = self._prompts.render("queries_system")
            before = len(found)
            text = await self._ask(self._writer, _request(system, user, self._seed + before + empty))
            found |= dict.fromkeys(_texts(text))
            empty = empty + 1 if len(found) == before else 0
        if len(found) < self._queries:
            short = f"{len(found)} of {self._queries} queries; {self._writer.name} found no more"
            self.notes.append(f"{tool}: {short}")
        return list(found)[: self._queries]

    async def _solve(self, query: str, world: int, backend: Backend) -> None:
        async with self._lock:
            if self._runner.spent:
                return
            ran = await asyncio.to_thread(self._runner.begin, Draft(NAME, world, ()))
        try:
            await self._act(query, ran, backend)
        finally:
            async with self._lock:
                self._runner.finish(ran)
                self._done(ran)

    async def _act(self, query: str, ran: TaskRun, backend: Backend) -> None:
        """One attempt at a query: the loop of section 4.1, without rehearsals."""
        tools = self._runner.worlds[ran.draft.world].tools
        native = backend.capabilities.native_tools
        system = self._prompts.render("action_system", functions=None if native else documents(tools.specs))
        user = self._prompts.render("action_user", query=query, attempts=[], recommendation=None)
        request = _request(system, user, self._seed + ran.number)
        request = replace(request, tools=tools.specs if native else ())
        for _ in range(_STEPS):
            completion = await self._completion(backend, request)
            if completion is None:
                return
            calls = completion.tool_calls if native else tuple(parse_actions(completion.text) or ())
            said = Message(
                role="assistant",
                content=completion.text,
                tool_calls=calls if native else (),
                raw=completion.raw,
            )
            steps: list[Step] = []
            for call in calls:
                step = await self._call(ran, call, tools)
                if step is None:
                    return
                steps.append(step)
            if not steps:
                return
            request = replace(request, messages=(*request.messages, said, *self._results(steps, native)))

    def _results(self, steps: list[Step], native: bool) -> list[Message]:
        if native:
            return list(map(result_message, steps))
        views = [encode({"call": call_view(step.call), "return": step.outcome.content()}) for step in steps]
        return [
            Message(role="user", content=self._prompts.render("action_results", results=encode_lines(views)))
        ]

    async def _ask(self, backend: Backend, request: Request) -> str:
        completion = await self._completion(backend, request)
        return "" if completion is None else completion.text


def _request(system: str, user: str, seed: int) -> Request:
    return Request(
        messages=(Message(role="system", content=system), Message(role="user", content=user)), seed=seed
    )


def _texts(answer: str) -> list[str]:
    """The strings of a JSON list, with or without text around it."""
    match = re.search(r"\[.*]", answer, re.DOTALL)
    try:
        found = json.loads(match[0]) if match is not None else []
    except ValueError:
        return []
    return [text.strip() for text in found if isinstance(text, str) and text.strip()]
