"""Logged tasks to start generation from, each placed in a world."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from random import Random

from artis_sdk.logs.codec import dumps
from artis_sdk.records import CallRecord, Provenance, State, ToolCall
from artis_sdk.trainers.generate.mutation import Logged
from artis_sdk.trainers.generate.worlds import StartState

_MOST = 5000  # tasks held in memory


def logged_tasks(
    records: Iterable[CallRecord], worlds: Sequence[StartState], state: Callable[[int], State], random: Random
) -> list[Logged]:
    """The tasks of a log whose tools some world has.

    A task goes to the world of its session, else to one with its start state, else to any that has its
    tools. Simulated outcomes are left out: their calls may never have run.

    Args:
        records: records of the log, oldest first; the first 5,000 tasks count.
        worlds: worlds of the tasks.
        state: function from a world's number to its start state.
        random: source of random choices among worlds.
    """
    found: dict[tuple[str | None, str | None, str], CallRecord] = {}
    for record in records:
        if record.outcome.provenance not in (Provenance.REAL, Provenance.SANDBOXED):
            continue
        key = (record.session, record.task, dumps(record.state))
        known = found.get(key)
        if known is None and len(found) >= _MOST:
            continue
        if known is None or len(record.history) >= len(known.history):
            found[key] = record
    sessions: dict[str | None, int] = {world.session: number for number, world in enumerate(worlds)}
    states: dict[str, int] = {}
    tasks: list[Logged] = []
    for (session, _, start), record in found.items():
        calls = (*(step.call for step in record.history), record.call)
        fitting = [n for n, world in enumerate(worlds) if all(call.tool in world.tools for call in calls)]
        if not fitting:
            continue
        number = None if session is None else sessions.get(session)
        if number not in fitting:
            if not states:
                states = {dumps(state(n)): n for n in reversed(range(len(worlds)))}
            number = states.get(start)
        chosen = number if number in fitting else random.choice(fitting)
        tasks.append(Logged(chosen, tuple(map(_plain, calls)), session))
    return tasks


def _plain(call: ToolCall) -> ToolCall:
    """Without the model's text, which a changed call would not be."""
    return call if call.raw is None else ToolCall(id=call.id, tool=call.tool, arguments=call.arguments)
