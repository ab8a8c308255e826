"""A turn of a task about to be played, and the plans of an agent that plays it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from artis_sdk.pocket.bank import Bank
from artis_sdk.pocket.oracle import Oracle, Played
from artis_sdk.pocket.task import PlannedCall, PocketTask, TaskTurn, Way
from artis_sdk.records import Message, Risk, Step


@dataclass(frozen=True)
class Scene:
    """A turn about to be played: the present bank, and the conversation before."""

    task: PocketTask
    turn: TaskTurn
    bank: Bank
    conversation: tuple[Message, ...]
    ways: tuple[tuple[Way, Played], ...]

    @property
    def good(self) -> list[Way]:
        return [way for way, played in self.ways if played.good and not way.short]

    def played(self, way: Way | None) -> Played:
        if way is None:
            return Played((), self.bank)
        return next(played for known, played in self.ways if known is way)


@dataclass(frozen=True)
class Walk:
    """What an agent does in a turn: one plan, or several where it goes on after a refusal."""

    played: Played
    plans: tuple[Way, ...]
    """The plans, in the order in which it took them; empty for a turn without any."""

    @property
    def right(self) -> bool:
        """Whether it came to an end that nothing was refused at and nothing is missing from."""
        steps = self.played.steps
        return (not steps or steps[-1].outcome.ok) and not (self.plans and self.plans[-1].short)

    @property
    def choices(self) -> list[str]:
        return [way.choice for way in self.plans]


def one_plan(scene: Scene, way: Way | None) -> Walk:
    """A plan up to its first refusal."""
    return Walk(scene.played(way), () if way is None else (way,))


def several_plans(
    scene: Scene, way: Way | None, oracle: Oracle, draw: Callable[[Sequence[Way]], Way | None]
) -> Walk:
    """A plan, and after a refusal another one that holds all that has been done, as long as there is one.

    Args:
        scene: the turn.
        way: the first plan.
        oracle: makes the calls.
        draw: draws a plan.
    """
    if way is None:
        return one_plan(scene, way)
    bank, steps, plans = scene.bank, list[Step](), [way]
    done: list[PlannedCall] = []
    refused: list[PlannedCall] = []
    next_way: Way | None = way
    while next_way is not None:
        for call in _rest(next_way, done):
            played = oracle.play(bank, [call])
            bank = played.bank
            step = played.steps[0]
            made = step.call.model_copy(update={"id": f"c{len(steps)}"})
            steps.append(Step(call=made, outcome=step.outcome))
            if not step.outcome.ok:
                refused.append(call)
                break
            done.append(call)
        else:
            break
        changed = [call for call in done if oracle.tools[call.tool].risk is not Risk.READ_ONLY]
        next_way = draw(
            [
                other
                for other in scene.turn.ways
                if other not in plans
                and all(call in other.calls for call in changed)
                and _rest(other, done)[0] not in refused
            ]
        )
        if next_way is not None:
            plans.append(next_way)
    return Walk(Played(tuple(steps), bank), tuple(plans))


def _rest(way: Way, done: list[PlannedCall]) -> list[PlannedCall]:
    return [call for call in way.calls if call not in done]
