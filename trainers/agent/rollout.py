"""Rollouts: think, call, read the output, and so on to the answer (section 2.3)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, Field

from artis_sdk.errors import BackendError, SimulationError
from artis_sdk.loop.calls import Table, carry_out
from artis_sdk.records import Outcome, Provenance, State, Step, ToolCall, ToolSpec
from artis_sdk.records.calls import FROZEN
from artis_sdk.records.outcome_type import succeeded
from artis_sdk.tools import Toolset, running_code
from artis_sdk.trainers.agent.formats import Codec, Format
from artis_sdk.trainers.agent.generate import Ask, Generator
from artis_sdk.trainers.agent.tape import Tape
from artis_sdk.trainers.agent.turns import GeneratedTurn
from artis_sdk.trainers.agent.worlds import Opened, Worlds

T = TypeVar("T")

End = Literal["answer", "silent", "forged", "turns", "tokens", "seconds", "hung", "world"]
"""`silent`: neither a call nor an answer; `forged`: it wrote a tool's output itself; `hung`: a call did not
end in its time; `world`: the world could not predict a call, which is not the agent's fault."""


class RolloutLimits(BaseModel):
    """Limits of one rollout."""

    model_config = FROZEN

    turns: int = Field(default=8, ge=1)
    tokens: int = Field(default=2048, ge=1)
    """Maximum tokens after the prompt, outputs of tools included."""
    seconds: float = Field(default=300.0, gt=0)
    tool_seconds: float = Field(default=20.0, gt=0)
    """Maximum seconds for the calls of one turn."""
    output_characters: int = Field(default=4000, ge=16)
    """Maximum characters of one output; the rest is cut off."""
    calls: int = Field(default=16, ge=1)
    """Maximum calls in one turn of the native format."""


@dataclass(frozen=True, eq=False, slots=True)
class AgentTask:
    """A task for an agent with tools, and its measure of success.

    Args:
        id: id, unique among the tasks of a run.
        query: query for the agent.
        tools: tools bound to objects in their initial state; rollouts in a sandbox work on forks.
        answer: right answer, compared without case and space; None if `check` or `goal` decides.
        check: the caller's own judgement of a finished rollout, 0 to 1.
        goal: right final state, as from `Toolset.state`; parts of it are enough.
        calls: right calls, in order, for rewards by name and argument.
    """

    id: str
    query: str
    tools: Toolset
    answer: str | None = None
    check: Callable[[Rollout], float] | None = None
    goal: Any = None
    calls: tuple[ToolCall, ...] = ()


@dataclass(eq=False, slots=True)
class Rollout:
    """One finished attempt at a task, in tokens and in values."""

    task: AgentTask
    tape: Tape
    turns: list[GeneratedTurn] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    end: End = "turns"
    state: State = None
    """Final state of the tools' objects; None in a world without state."""
    seconds: float = 0.0
    required: frozenset[str] = frozenset()
    """Kinds of tags that the format requires."""
    error: str | None = None

    @property
    def answer(self) -> str | None:
        """The answer of the last turn; None if it gave none."""
        return self.turns[-1].answer if self.turns else None

    @property
    def ran(self) -> int:
        """Number of calls that ran and did not fail; an error that a tool returned is a failure, too."""
        return sum(map(succeeded, self.steps))


async def roll_out(
    task: AgentTask,
    *,
    worlds: Worlds,
    generator: Generator,
    format: Format,
    codec: Codec,
    limits: RolloutLimits,
    seed: int,
) -> Rollout:
    """Let the model work on a task once.

    Args:
        task: the task.
        worlds: maker of this rollout's own world.
        generator: generator of the model, shared by all rollouts.
        format: format of calls and outputs.
        codec: codec of the model.
        limits: limits of this rollout.
        seed: seed of its draws.

    Raises:
        ArtisError: a call was refused by the firewall, or a real call's outcome is unknown.
    """
    specs = {tool.name: tool for tool in task.tools.specs}
    rollout = Rollout(task, Tape(tuple(format.prompt(task.query, task.tools.specs))))
    rollout.required = format.required
    begun = time.monotonic()
    try:
        async with asyncio.timeout(limits.seconds) as clock, worlds.open(task.tools) as world:
            try:
                rollout.end = await _turns(rollout, specs, world, generator, format, codec, limits, seed)
            finally:
                rollout.state = world.state()
    except TimeoutError:
        if not clock.expired():
            raise
        rollout.end = "seconds"
    rollout.seconds = time.monotonic() - begun
    return rollout


async def _turns(
    rollout: Rollout,
    specs: dict[str, ToolSpec],
    world: Opened,
    generator: Generator,
    format: Format,
    codec: Codec,
    limits: RolloutLimits,
    seed: int,
) -> End:
    tape, table = rollout.tape, Table(rollout.task.tools, rollout.task.tools.specs)
    for number in range(limits.turns):
        left = limits.tokens - len(tape.ids)
        if left <= 0:
            return "tokens"
        turn, why = await _one(tape, specs, generator, format, codec, left, seed + number)
        rollout.turns.append(turn)
        if turn.forged:
            return "forged"
        if turn.answer is not None:
            return "answer"
        if not turn.calls:
            return "tokens" if why == "limit" else "silent"
        hung = await _call(rollout, turn.calls[: limits.calls], table, world, limits)
        if hung is not None:
            return hung
        given = format.outputs(rollout.steps[-len(turn.calls[: limits.calls]) :], limits.output_characters)
        if len(tape.ids) + len(given) >= limits.tokens:
            return "tokens"
        tape.given(given)
    return "turns"


async def _one(
    tape: Tape,
    specs: dict[str, ToolSpec],
    generator: Generator,
    format: Format,
    codec: Codec,
    limit: int,
    seed: int,
) -> tuple[GeneratedTurn, str]:
    """Generate a turn."""

    def ended(ids: Sequence[int]) -> bool:
        return format.read(codec.text(ids), specs, over=False).ended

    piece = await generator.generate(Ask(tape.context, limit, ended, seed))
    tape.generated(piece.ids, piece.logprobs)
    said = piece.ids[:-1] if piece.why == "eos" else piece.ids
    return format.read(codec.text(said), specs, over=piece.why == "eos"), piece.why


async def _call(
    rollout: Rollout, calls: Sequence[ToolCall], table: Table, world: Opened, limits: RolloutLimits
) -> End | None:
    """Let the world answer a turn's calls; a returned ending ends the rollout."""
    try:
        async with asyncio.timeout(limits.tool_seconds) as clock:
            rollout.steps += await carry_out(calls, table, world)
    except TimeoutError:
        if not clock.expired():
            raise
        message = f"did not end within {limits.tool_seconds:g} s"
        late = Outcome.failure("timeout", message, Provenance.FORCED, raised=True)
        rollout.steps += [Step(call=call, outcome=late) for call in calls]
        return "hung"
    except (SimulationError, BackendError) as error:
        rollout.error = str(error)
        return "world"
    return None


async def roll_out_all(
    tasks: Iterable[tuple[AgentTask, int]], *, worlds: Worlds, **given: Any
) -> list[Rollout]:
    """Concurrent rollouts, in order.

    Args:
        tasks: tasks, each with the seed of its rollout; a group is one task with several seeds.
        worlds, given: as in `roll_out`.

    Raises:
        ArtisError: see `roll_out`; the other rollouts are cancelled.
    """
    with running_code("rehearsal", worlds.runs_code):
        return await together(roll_out(task, worlds=worlds, seed=seed, **given) for task, seed in tasks)


async def together(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run coroutines concurrently; the first error cancels the others and is raised alone."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]
