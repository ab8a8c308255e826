"""The advice of a rehearsal: the calls of the attempt that the plan follows, verbatim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from artis_sdk.loop.foresee import FollowedSteps
from artis_sdk.prompts import Data, Prompts
from artis_sdk.records import Attempt, Reference, Task, ToolCall
from artis_sdk.records.brief import call_text
from artis_sdk.records.outcome_type import succeeded
from artis_sdk.records.places import path_text, value_at


def advice(prompts: Prompts, task: Task, attempt: Attempt, note: str) -> str:
    """The successful calls of an attempt, in their order, with exact arguments.

    Failed calls, those answered with an error, and those that our own loop answered are left out. An
    identifier that the simulator made up is described as what an earlier call of the list returns.

    Args:
        prompts: templates, of which `advice` writes it.
        task: the attempt's task.
        attempt: attempt to repeat.
        note: a sentence of the summarizer's, or the empty text.
    """
    followed = FollowedSteps.of(task, attempt, {spec.name: spec for spec in task.tools})
    own = followed.steps[: followed.own]
    calls = {n: (step.call, followed.references[n]) for n, step in enumerate(own) if succeeded(step)}
    return calls_verbatim(prompts, calls, note)


def calls_verbatim(
    prompts: Prompts, calls: Mapping[int, tuple[ToolCall, Sequence[Reference]]], note: str
) -> str:
    """These calls as advice.

    Args:
        prompts: as in `advice`.
        calls: the calls in their order, each with its references, by the index that references name it by.
        note: as in `advice`.
    """
    numbers = {n: number for number, n in enumerate(calls, 1)}
    steps = [
        {
            "action": Data(call_text(call)),
            "references": [_value(call.arguments, one, numbers) for one in references],
        }
        for call, references in calls.values()
    ]
    return prompts.render("advice", steps=steps, note=Data(" ".join(note.split())) if note.strip() else None)


def _value(arguments: Any, reference: Reference, numbers: dict[int, int]) -> dict[str, Any]:
    """An argument whose real value differs: its value in the rehearsal, and where the real one comes from."""
    return {
        "value": value_at(arguments, reference.argument),
        "field": Data(path_text(reference.outcome).removeprefix("$").removeprefix(".") or "value"),
        "call": numbers[reference.call],
    }
