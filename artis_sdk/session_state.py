"""The state of the environment before a session's task."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping

from pydantic import JsonValue

from artis_sdk.commit.commit import RealWorld
from artis_sdk.contracts import Simulator
from artis_sdk.loop.callable_actor import RemembersCalls
from artis_sdk.loop.whose_code import is_ours
from artis_sdk.records import History, Message, State, Task
from artis_sdk.records.jsonable import jsonable
from artis_sdk.session_args import StateSource
from artis_sdk.session_checks import check_task
from artis_sdk.session_parts import SessionParts
from artis_sdk.simulators.composite import Composite, Wrapper
from artis_sdk.simulators.llm import LLMSimulator
from artis_sdk.tools import Toolset, current_world, running_code


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
