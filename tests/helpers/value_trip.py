"""Values through a real tool, the journal, the call log, a plan and a result, and back from each."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

from helpers.values import KINDS, arbitrary

from artis_sdk.commit.commit import RealWorld
from artis_sdk.commit.journal.sqlite import SQLiteJournal
from artis_sdk.errors import ArtisError
from artis_sdk.logs import CallLog
from artis_sdk.logs.redact import Redactor
from artis_sdk.prompts import encode
from artis_sdk.records import Attempt, CommittedCall, Outcome, Plan, Result, Risk, Step, Task
from artis_sdk.tools import Toolset, guarded_tool
from artis_sdk.tools.world import entered

REDACT = Redactor(names=())  # what is secret is another test's
CALLS = 100  # of one plan


@guarded_tool(risk=Risk.REVERSIBLE)
async def echo(value: Any) -> Any:
    return value


@guarded_tool(risk=Risk.REVERSIBLE)
def echo_in_thread(value: Any) -> Any:
    return value


TOOLS = tuple(Toolset(echo, echo_in_thread))


@dataclass
class Trip:
    """How many values of each kind went through, and where which were lost or changed."""

    kinds: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)

    def same(self, where: str, kind: str, read: Outcome | None, made: Outcome, text: str) -> None:
        """An outcome read back is what was written, to the type of each number, which its text has."""
        if read is None or _text(read) != text or read != made:
            self.lost.append(f"{kind}: {where}")


def _text(outcome: Outcome) -> str:
    return json.dumps([outcome.value, outcome.failure_type, outcome.message])


def made_values(start: int, stop: int) -> Iterable[tuple[str, Any]]:
    """Kind and value by number; the same in every process."""
    kinds = sorted(KINDS)
    for n in range(start, stop):
        kind = kinds[n % len(kinds)]
        yield kind, arbitrary(Random(n), kind)


async def trip(values: Iterable[tuple[str, Any]], folder: Path, found: Trip) -> None:
    """Take values through everything, `CALLS` calls a plan.

    Args:
        values: kind and value, as a tool is given and returns it.
        folder: for journal and log; one for each call of this function.
        found: gets the counts.
    """
    journal = SQLiteJournal(folder / "journal.db")
    with CallLog(folder / "calls.db", redact=REDACT) as log:
        waiting = list(values)
        for n in range(0, len(waiting), CALLS):
            await _commit(waiting[n : n + CALLS], journal, log, found)
    await journal.aclose()


async def _commit(values: list[tuple[str, Any]], journal: SQLiteJournal, log: CallLog, found: Trip) -> None:
    plan = Plan(task=Task(query="q"), strategy="direct")
    world = RealWorld(journal, plan, redact=REDACT, record=log, session=plan.id)
    kinds: list[str] = []
    async with world.open():
        for n, (kind, value) in enumerate(values):
            found.kinds[kind] += 1
            tool = TOOLS[n % 2]
            given: Any = None if kind in ("iterator", "generator") else value  # a call refuses these
            try:
                invocation = replace(tool.bind(given), args=(value,), kwargs={})
                with entered(world):
                    reply = await world.handle(invocation)
            except ArtisError as error:
                found.lost.append(f"{kind}: {error!r}")
                break
            kinds.append(kind)
            if reply.value is not value and kind not in ("iterator", "generator"):
                found.lost.append(f"{kind}: the caller got another value")
    _compare(plan, world.calls, kinds, journal, log, found)


def _compare(
    plan: Plan,
    calls: tuple[CommittedCall, ...],
    kinds: list[str],
    journal: SQLiteJournal,
    log: CallLog,
    found: Trip,
) -> None:
    outcomes = [call.outcome for call in calls]
    log.flush()
    journaled = [call.outcome for call in journal.calls(plan=plan.id)]
    logged = [record.outcome for record in log.records(session=plan.id)]
    steps = tuple(Step(call=call.call, outcome=call.outcome) for call in calls)
    rehearsed = plan.model_copy(update={"attempts": (Attempt(index=0, steps=steps),)})
    planned = Plan.model_validate_json(rehearsed.model_dump_json())
    result = Result(plan=plan, answer=None, calls=calls)
    reread = Result.model_validate_json(result.model_dump_json())
    if planned != rehearsed or reread != result:
        found.lost.append("a plan or a result read back is another one")
    elsewhere: dict[str, Sequence[Outcome | None]] = {
        "journal": journaled,
        "log": logged,
        "plan": [step.outcome for step in planned.attempts[0].steps],
        "result": [call.outcome for call in reread.calls],
    }
    texts = [*map(_text, outcomes)]
    for where, read in elsewhere.items():
        if len(read) != len(outcomes):
            found.lost.append(f"{where}: {len(read)} outcomes of {len(outcomes)}")
        for kind, one, made, text in zip(kinds, read, outcomes, texts, strict=False):
            found.same(where, kind, one, made, text)
    for kind, made in zip(kinds, outcomes, strict=False):
        if json.loads(encode(made.content())) != made.content():
            found.lost.append(f"{kind}: prompt")
