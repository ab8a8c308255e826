"""What a session's task is shown of what was before it: the state of the environment, and earlier turns."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

from pydantic import JsonValue

from artis_sdk.commit.commit import RealWorld
from artis_sdk.commit.plan import inside_attempt
from artis_sdk.contracts import Simulator
from artis_sdk.loop.callable_actor import RemembersCalls
from artis_sdk.loop.whose_code import is_ours
from artis_sdk.records import CommittedCall, History, Message, Result, State, Step, Task
from artis_sdk.records.jsonable import jsonable
from artis_sdk.session_args import SessionArgs, StateSource
from artis_sdk.session_checks import check_task
from artis_sdk.session_parts import SessionParts
from artis_sdk.simulators.composite import Composite, Wrapper
from artis_sdk.simulators.llm import LLMSimulator
from artis_sdk.tools import Toolset, current_world, running_code
from artis_sdk.tools.world import current


@dataclass(eq=False)
class Turns:
    """The turns of a session so far: what was said, and the real calls that were made."""

    conversation: tuple[Message, ...]
    made: dict[str, History]
    """By plan, in the order of the commits; the calls from before the session under an empty name."""

    def add_calls(self, plan: str, calls: Iterable[CommittedCall]) -> None:
        """Add the real calls of a commit, however it ended; a refused one made none, and takes none away."""
        if made := tuple(Step(call=one.call, outcome=one.outcome) for one in calls):
            self.made[plan] = made

    def add(self, result: Result) -> None:
        """Add what was said in a commit that is not to go on. Of plans that were rehearsed side by side, the
        one that is committed later is the later turn."""
        if result.ended == "stopped":
            return
        said = None if result.messages else result.answer  # an own agent tells no messages
        answer = () if said is None else (Message(role="assistant", content=said),)
        task = result.plan.task  # with its secrets, and with no words that the plan does not bind
        known = self.conversation[: len(task.conversation)] == task.conversation
        before = self.conversation if known else task.conversation
        self.conversation = (*before, Message(role="user", content=task.query), *result.messages, *answer)

    def continued(self, args: SessionArgs) -> SessionArgs:
        """The options of a session that goes on from here."""
        return replace(args, conversation=self.conversation, history=sum(self.made.values(), ()))


class TurnsByWorld:
    """The turns of a session: the real ones, and for each rehearsed attempt around it those played there.

    What an attempt simulates is shown neither to another attempt nor to a real commit. Its calls are in the
    attempt's own history, see `task_of`.
    """

    def __init__(self, conversation: tuple[Message, ...], history: History) -> None:
        self._real = Turns(conversation, {"": history})
        self._played: WeakKeyDictionary[object, Turns] = WeakKeyDictionary()

    @property
    def here(self) -> Turns:
        """The turns of this context; an attempt begins with the real ones."""
        around = current.get()
        if around is None or not inside_attempt():
            return self._real
        world = around if around.world is None else around.world
        if world not in self._played:
            self._played[world] = Turns(self._real.conversation, dict(self._real.made))
        return self._played[world]


async def task_of(
    query: str,
    given: StateSource | None,
    parts: SessionParts,
    conversation: tuple[Message, ...],
    committed: Iterable[History],
) -> Task:
    """The task of a query, with the state before it and the real calls made since that was taken.

    The snapshot of the objects behind the tools is taken only where somebody reads it, on the event loop:
    in a thread it would see them half changed.

    Args:
        query: the user's request.
        given: the session's option `state`.
        parts: the session's parts.
        conversation: the session's earlier turns.
        committed: real calls of the session's earlier commits, oldest first.

    Raises:
        ConfigurationError: the query is empty, or no text.
    """
    check_task(query)
    tools, made = parts.tools, sum(committed, ())
    history = earlier = _earlier_in_attempt(tools)
    if callable(given):
        with running_code("rehearsal", not is_ours(given)):
            state = given()
            state = await state if inspect.isawaitable(state) else state
        parts.secrets.see(state)
        state = jsonable(state)
    elif given is None:
        state = tools.state() if parts.reads_state else None
        history = earlier if tools.owners else made + earlier
    else:
        state, history = jsonable(given), made + earlier
    task = Task(query=query, conversation=conversation, tools=tools.specs, history=history)
    # It is JSON: a large one is not validated once more.
    return task if state is None else task.model_copy(update={"state": state})


def blind(simulator: Simulator, given: StateSource | None, state: State) -> tuple[str, ...]:
    """A note for the plan where a model predicts from a state that shows no data, such as a service whose
    data are in a database; nothing elsewhere.

    Args:
        simulator: the session's simulator.
        given: the session's option `state`.
        state: the state that it sees.
    """
    if given is not None or not isinstance(state, dict) or _shows_data(state) or not _asks_a_model(simulator):
        return ()
    # Names alone: of a value that is cut, half of a secret would not be found any more.
    seen = [f"{kind}.{name}" for kind, of in state.items() if isinstance(of, dict) for name in of]
    return (
        "the simulator sees none of the data that the tools work on: the state has only "
        f"{', '.join(seen) or 'objects without attributes'}. Pass Session(state=...), a function that looks "
        "up what the task may touch",
    )


def _shows_data(state: Mapping[str, JsonValue]) -> bool:
    """Whether some object has an attribute beside texts, which name places: paths, addresses, `<Engine>`."""
    attributes = [value for of in state.values() if isinstance(of, dict) for value in of.values()]
    return any(not isinstance(value, str) and value not in (None, {}, []) for value in attributes)


def _asks_a_model(simulator: Simulator) -> bool:
    while isinstance(simulator, Wrapper):
        simulator = simulator.simulator
    if isinstance(simulator, Composite):
        return any(map(_asks_a_model, simulator.parts))
    return isinstance(simulator, LLMSimulator)


def _earlier_in_attempt(tools: Toolset) -> History:
    """The calls of these tools in the simulated attempt that this context is part of, for a simulator: the
    real objects do not show them."""
    world = current_world()
    if world is None or isinstance(world, RealWorld) or not isinstance(world, RemembersCalls):
        return ()
    return tuple(step for step in world.history if step.call.tool in tools)
