"""The lessons of the pocket model: each role's part in the oracle's plays, in the SDK's own prompts."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from artis_sdk.loop.views import task_history, trajectory
from artis_sdk.pocket.bank import Bank
from artis_sdk.pocket.chat import AT_ONCE, FORM, Segment, pocket_prompts, segments
from artis_sdk.pocket.oracle import Oracle, Played, state_of
from artis_sdk.pocket.task import PlannedCall, PocketTask, TaskTurn, Way
from artis_sdk.prompts import Data, call_view, encode_lines, encode_spaced, result_message
from artis_sdk.records import Attempt, History, Message, Risk, Step, Task
from artis_sdk.simulators.answers import typed_answer
from artis_sdk.simulators.form import Prompter
from artis_sdk.trainers.pocket.changes import changed
from artis_sdk.trainers.pocket.scenes import Scene, Walk, one_plan, several_plans
from artis_sdk.trainers.pocket.thoughts import think

NOT_ASKED: Final = "not as asked"
DONE: Final = "Done."
NO_TOOL_CHOICE: Final = "no tool"
_DULL: Final = 0.35
"""Share of the look-ups by name that are kept; they are most of the calls and easily learned."""
_TWICE: Final = 0.4
"""Share of the successful transfers shown to the auditor once more, more often than in a log."""


def use(choice: str) -> str:
    return f"use {choice}"


def avoid(choice: str) -> str:
    return f"avoid {choice}"


def answer(turn: TaskTurn, played: Played) -> str:
    """The agent's final answer."""
    if not played.steps:
        return turn.reply
    last = played.steps[-1].outcome
    if not last.ok:
        return f"Not done: {last.message}."
    if not turn.reads:
        return DONE
    value = last.value
    if turn.asked and isinstance(value, dict):
        value = value[turn.asked]
    if isinstance(value, list):
        return f"{', '.join(map(str, value))}." if value else "None."
    return f"It is {value}."


def said(steps: History, final: str) -> list[Message]:
    """The agent's messages and the results: look-ups by name together, everything else by itself."""
    messages: list[Message] = []
    group: list[Step] = []

    def close() -> None:
        if group:
            messages.append(Message(role="assistant", tool_calls=tuple(step.call for step in group)))
            messages.extend(map(result_message, group))
            group.clear()

    for step in steps:
        if step.call.tool != "list_accounts" or (group and group[-1].call.tool != "list_accounts"):
            close()
        group.append(step)
        if step.call.tool != "list_accounts":
            close()
    close()
    return [*messages, Message(role="assistant", content=final)]


class Lessons:
    """Writes lessons of all roles.

    Args:
        seed: seed of the draws; tasks have their own.
        persistent: whether the agent tries another plan after a refusal, instead of reporting it.
    """

    def __init__(self, seed: int = 0, *, persistent: bool = False) -> None:
        self.oracle = Oracle()
        self._persistent = persistent
        self._rng = random.Random(seed)
        self._prompts = pocket_prompts()
        specs = {tool.name: tool.spec for tool in self.oracle.tools}
        self._specs = specs
        self._prompter = Prompter(self._prompts, specs, FORM, typed=True)
        self._bare = Prompter(self._prompts, specs, AT_ONCE, typed=True)
        self._reads = frozenset(name for name, spec in specs.items() if spec.risk is Risk.READ_ONLY)

    # --- scenes -------------------------------------------------------------------------------

    def scenes(self, task: PocketTask) -> Iterator[Scene]:
        """A task's turns, each after good plans for those before it."""
        bank, conversation = task.bank, tuple[Message, ...]()
        for turn in task.turns:
            ways = tuple((way, self.oracle.play(bank, way.calls)) for way in turn.ways)
            scene = Scene(task, turn, bank, conversation, ways)
            yield scene
            way = self._rng.choice(scene.good) if scene.good else self._drawn(turn.ways)
            played = scene.played(way)
            bank = played.bank
            conversation += (
                Message(role="user", content=turn.query),
                *said(played.steps, answer(turn, played)),
            )

    def _drawn(self, ways: Sequence[Way]) -> Way | None:
        return self._rng.choices(ways, [way.weight for way in ways])[0] if ways else None

    def _task(self, scene: Scene) -> Task:
        specs = tuple(self._specs[name] for name in scene.task.offered)
        return Task(query=scene.turn.query, conversation=scene.conversation, tools=specs)

    def _walk(self, scene: Scene, way: Way | None) -> Walk:
        """What the agent does that begins with a plan."""
        return (
            several_plans(scene, way, self.oracle, self._drawn) if self._persistent else one_plan(scene, way)
        )

    # --- the agent ----------------------------------------------------------------------------

    def agent(self, scene: Scene) -> list[Segment]:
        """The agent: without advice the obvious plan, with advice the advised one."""
        rng, ways = self._rng, scene.turn.ways
        kind = rng.random()
        hints: list[str] = []
        recommendation: str | None = None
        if kind < 0.45:
            way = self._drawn(ways)
        elif kind < 0.7:
            hints, way = self._hints(scene)
        elif rng.random() < 0.8 or not ways:
            way = self._drawn(scene.good or ways) if rng.random() < 0.85 else self._drawn(ways)
            recommendation = use(way.choice if way else NO_TOOL_CHOICE)
        else:
            avoided, way = self._avoided(ways)
            recommendation = ", ".join(map(avoid, dict.fromkeys(avoided)))
        attempts = [_view(hint) for hint in hints]
        query = self._prompts.render(
            "action_user", query=scene.turn.query, attempts=attempts, recommendation=recommendation
        )
        played = self._walk(scene, way).played
        messages = [
            Message(role="system", content=self._prompts.render("action_system", functions=None)),
            *scene.conversation,
            Message(role="user", content=query),
            *said(played.steps, answer(scene.turn, played)),
        ]
        return segments(messages, scene.task.offered)

    def _hints(self, scene: Scene) -> tuple[list[str], Way | None]:
        """The lesson of earlier attempts, and the plan that follows it."""
        ways = scene.turn.ways
        if not ways:
            return [use(NO_TOOL_CHOICE)] * self._rng.randint(1, 4), None
        avoided, way = self._avoided(ways)
        hints = [avoid(choice) for choice in avoided]
        if self._persistent and len(hints) > 1 and self._rng.random() < 0.5:
            hints = [", ".join(hints[:2]), *hints[2:]]  # of one attempt with two plans
        if self._rng.random() < 0.4:
            hints += [use(way.choice)] * self._rng.randint(1, 3)
        elif self._rng.random() < 0.1:
            hints.append(NOT_ASKED)
        return hints, way

    def _avoided(self, ways: Sequence[Way]) -> tuple[list[str], Way]:
        """Choices that did not work out, and one that is left; of none that is left any."""
        count = self._rng.randint(1, max(1, len(ways) - 1))
        gone: list[Way] = []
        while len(gone) < count:
            way = self._drawn([way for way in ways if way not in gone])
            assert way is not None
            gone.append(way)
        left = self._drawn([way for way in ways if way not in gone]) or self._drawn(ways)
        assert left is not None
        repeated = [way for way in gone for _ in range(1 if self._rng.random() < 0.8 else 2)]
        return [way.choice for way in repeated], left

    # --- the judges ---------------------------------------------------------------------------

    def judge(self, scene: Scene) -> list[Segment]:
        """The evaluator: a refused call is wrong, and so is something that was not asked for."""
        way = self._drawn(scene.turn.ways) if self._rng.random() < 0.6 else None
        way = way or (self._rng.choice(scene.turn.ways) if scene.turn.ways else None)
        walk = self._walk(scene, way)
        attempt = Attempt(index=0, steps=walk.played.steps, answer=answer(scene.turn, walk.played))
        spoilt = self._spoilt(scene, attempt) if self._rng.random() < 0.15 else None
        attempt = spoilt or attempt
        user = self._prompts.render(
            "evaluation_user",
            tool_documents=Data(""),
            history=task_history(self._task(scene)),
            simulation=trajectory(attempt),
        )
        choices = walk.choices or [NO_TOOL_CHOICE]
        last = attempt.steps[-1] if attempt.steps else None
        if last is not None and not last.outcome.ok:
            told = verdict(f"{last.call.tool}: {last.outcome.type}", False, _avoiding(choices))
        elif spoilt is not None:
            told = verdict(NOT_ASKED, False, NOT_ASKED)
        elif not walk.right:
            told = verdict(NOT_ASKED, False, _avoiding(choices))
        else:
            told = verdict(use(choices[-1]), True, "")
        return self._asked("evaluation_system", user, told)

    def _spoilt(self, scene: Scene, attempt: Attempt) -> Attempt | None:
        """The same attempt with a mistake that no tool refuses: only the request tells."""
        steps = attempt.steps
        changing = [n for n, step in enumerate(steps) if step.call.tool not in self._reads]
        if not changing or not all(step.outcome.ok for step in steps):
            return None
        at = self._rng.choice(changing)
        call = steps[at].call
        sum_ = call.arguments.get("amount")
        if self._rng.random() < 0.5 or not isinstance(sum_, int):
            kept = (*steps[:at], *steps[at + 1 :])
            return attempt.model_copy(update={"steps": kept})
        wrong = {
            **call.arguments,
            "amount": self._rng.choice([sum_ + 10, sum_ * 10, 10 * self._rng.randint(1, 49)]),
        }
        if wrong["amount"] == sum_:
            return None
        step = Step(call=call.model_copy(update={"arguments": wrong}), outcome=steps[at].outcome)
        return attempt.model_copy(update={"steps": (*steps[:at], step, *steps[at + 1 :])})

    def advisor(self, scene: Scene) -> list[Segment]:
        """The summarizer: what worked most often, else what to avoid."""
        ways = scene.turn.ways
        drawn = [self._drawn(ways) for _ in range(self._rng.choice((1, 2, 3, 3, 4, 5, 5, 6, 8)))]
        views: list[dict[str, object]] = []
        worked: list[str] = []
        avoided: dict[str, None] = {}
        for way in drawn:
            walk = self._walk(scene, way)
            choices = walk.choices or [NO_TOOL_CHOICE]
            if self._rng.random() < 0.05:
                views.append(_view(NOT_ASKED))
            elif walk.right:
                worked.append(use(choices[-1]))
                views.append(_view(None, worked[-1]))
            else:
                avoided |= dict.fromkeys(map(avoid, choices))
                views.append(_view(_avoiding(choices)))
        user = self._prompts.render("summary_user", tool_documents=Data(""), history=Data(""), attempts=views)
        against = ", ".join(avoided)
        best = max(dict.fromkeys(worked), key=worked.count) if worked else against or NOT_ASKED
        told = encode_spaced({"recommendation": best, "rationale": against if worked else ""})
        return self._asked("summary_system", user, told)

    def scorer(self, scene: Scene) -> list[Segment]:
        """The scoring agents of the baselines: one step of a plan, with an unknown outcome."""
        suggests = self._rng.random() < 0.5
        kind = "revision" if suggests else "scoring"
        way = self._drawn(scene.turn.ways)
        played = scene.played(way)
        messages = said(played.steps, answer(scene.turn, played))
        places = [n for n, message in enumerate(messages) if message.role == "assistant"]
        at = self._rng.choice(places)
        shown = messages[at]
        views = list(map(call_view, shown.tool_calls)) or [{"answer": shown.content}]
        right = way is None or played.good
        if self._rng.random() < 0.2 and shown.tool_calls:
            views, right = self._wrong_views(views), False
        told: dict[str, object] = {"evaluation": "good" if right else "doubtful"}
        if suggests:
            told["suggestion"] = "" if right else avoid(way.choice if way else NO_TOOL_CHOICE)
        told["score"] = 9 if right else 2
        user = self._prompts.render(
            f"{kind}_user",
            tool_documents=Data(""),
            history=task_history(self._task(scene), messages[:at]),
            simulation=encode_lines(views),
        )
        return self._asked(f"{kind}_system", user, encode_spaced(told))

    def _wrong_views(self, views: list[dict[str, object]]) -> list[dict[str, object]]:
        call = PlannedCall(
            self._rng.choice(sorted(self._specs)), {"account": f"A{self._rng.randint(100, 499)}"}
        )
        return [*views[:-1], {"name": call.tool, "arguments": dict(call.arguments)}]

    # --- the simulator ------------------------------------------------------------------------

    def simulator(self, scene: Scene) -> Iterator[list[Segment]]:
        """Calls of one play that the bank carried out, answered at once.

        They teach only the form of an answer, as of a model that has read tool outputs: refusals, and
        thinking first, belong to a simulator's training.
        """
        for step, history in self.calls(scene):
            if step.outcome.ok:
                prompt = self._bare.prompt([step.call], state_of(scene.bank), history)
                told = Message(role="assistant", content=typed_answer([step.outcome]))
                yield segments([*prompt.messages, told])

    def simulated(self, bank: Bank, step: Step, history: History) -> list[Segment]:
        """One call in a trained simulator's prompt, and its outcome."""
        state = state_of(bank)
        prompt = self._prompter.prompt([step.call], state, history)
        thought = think(step.call, state, history)
        answer = Message(role="assistant", content=typed_answer([step.outcome], thought))
        return segments([*prompt.messages, answer])

    def auditor(self, scene: Scene) -> Iterator[list[Segment]]:
        """Calls of all plans, unchanged and changed: the reasons, and whether the bank refuses them.

        The simulator's view in another role, from which the base learns to read the books and to compare
        amounts. The plain log's calls teach little of that, as few of them are refused.
        """
        steps = [(step, played.steps[:n]) for _, played in scene.ways for n, step in enumerate(played.steps)]
        kept = [one for one in steps if one[0].call.tool != "list_accounts"]
        for step, history in [*kept, *changed(self.oracle, scene, self._rng, twice=_TWICE)]:
            if step.call.tool == "list_accounts" and self._rng.random() > _DULL:
                continue
            state, outcome = state_of(scene.bank), step.outcome
            verdict = "ok" if outcome.ok else f"{outcome.type}: {outcome.message}"
            told = f"{think(step.call, state, history)}\n{verdict}"
            prompt = self._prompter.prompt([step.call], state, history)
            messages = [
                Message(role="system", content="auditor"),
                *prompt.messages[1:],
                Message(role="assistant", content=told),
            ]
            yield segments(messages)

    def calls(self, scene: Scene, slips: float = 1.0) -> Iterator[tuple[Step, History]]:
        """The calls of one plan for lessons, each with the calls before it.

        Args:
            scene: whose plans.
            slips: share of the turns in which the plan is what comes to mind, as the agent's without advice;
                in the others whoever acts knows the books and takes a plan that works, if there is one.
        """
        known = scene.good if self._rng.random() >= slips else []
        way = self._drawn(known or scene.turn.ways)
        steps = scene.played(way).steps
        for n, step in enumerate(steps):
            if step.call.tool == "list_accounts" and self._rng.random() > _DULL:
                continue
            yield step, steps[:n]

    def refusals(self, scene: Scene) -> Iterator[tuple[Step, History]]:
        """The refused calls of all unchanged plans."""
        for _, played in scene.ways:
            if not played.good:
                yield played.steps[-1], played.steps[:-1]

    def _asked(self, system: str, user: str, told: str) -> list[Segment]:
        messages = [
            Message(role="system", content=self._prompts.render(system)),
            Message(role="user", content=user),
            Message(role="assistant", content=told),
        ]
        return segments(messages)


def _avoiding(choices: Iterable[str]) -> str:
    return ", ".join(map(avoid, choices))


def _view(suggestion: str | None, explanation: str = "") -> dict[str, object]:
    """An attempt for templates; only one judged wrong has a suggestion."""
    return {
        "action": Data(""),
        "evaluation": {"correct": suggestion is None, "explanation": explanation},
        "suggestion": suggestion,
    }


def verdict(reason: str, correct: bool, suggestion: str) -> str:
    """An evaluation as the SDK reads it."""
    return (
        f"<Evaluation>{reason}</Evaluation><Result>{int(correct)}</Result>"
        f"<Suggestion>{suggestion}</Suggestion>"
    )
