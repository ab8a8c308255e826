"""The caller's own agent, in any framework and any world."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from artis_sdk.contracts import Agent, Meter
from artis_sdk.errors import AgentError, ArtisError, ConfigurationError, ToolFailure
from artis_sdk.loop.actor import NO_BRIEFING, Briefing, Trajectory
from artis_sdk.loop.views import attempt_views
from artis_sdk.prompts import Prompts
from artis_sdk.records import Attempt, History, Task
from artis_sdk.tools import Toolset
from artis_sdk.tools.world import World, entered

_SIGNATURE = "async def agent(task: str, *, tools, guidance: str | None) -> str"


@runtime_checkable
class RemembersCalls(Protocol):
    """A world that keeps the agent's calls; its trajectory is read from there."""

    @property
    def history(self) -> History: ...


class CallableActor:
    """The caller's own agent: any `async def agent(task, *, tools, guidance) -> str`.

    Its guarded calls, sync or async, go to the world that it acts in. It sees earlier attempts
    (equation 2) and the recommendation (equation 4) as `guidance`, in words.

    Args:
        agent: the agent.
        tools: the tools that it receives.
        prompts: templates, of which `action_user` writes earlier attempts.

    Raises:
        ConfigurationError: the agent is not an async callable, or not with these parameters.
    """

    runs_code = True

    def __init__(self, agent: Agent, tools: Toolset, *, prompts: Prompts | None = None) -> None:
        _check(agent)
        self._agent = agent
        self._tools = tools
        self._prompts = prompts or Prompts()

    async def act(
        self, task: Task, world: World, meter: Meter, briefing: Briefing = NO_BRIEFING
    ) -> Trajectory:
        """See `Actor.act`.

        Raises:
            AgentError: the agent raised; its exception is the cause. Errors of the rehearsal that pass
                through the agent, such as `LimitReached`, are raised unchanged.
        """
        advice = "\n\n".join(filter(None, (briefing.guidance, attempts_text(self._prompts, briefing.prior))))
        with entered(world, self._tools):
            answer = await self._run(task, advice or None)
        steps = world.history if isinstance(world, RemembersCalls) else ()
        return Trajectory(steps=steps, messages=(), answer=answer)

    async def _run(self, task: Task, guidance: str | None) -> str:
        from artis_sdk.tools.bridge import with_sync_calls

        try:
            answer = await with_sync_calls(self._agent(task.query, tools=self._tools, guidance=guidance))
        except ToolFailure as error:  # the real tool would have raised it, and the agent did not catch it
            raise AgentError(f"the agent failed: {type(error).__name__}: {error}") from error
        except ArtisError:
            raise
        except asyncio.CancelledError as error:
            task_of_ours = asyncio.current_task()
            if task_of_ours is None or task_of_ours.cancelling():
                raise
            raise AgentError("the agent cancelled itself") from error
        except Exception as error:
            raise AgentError(f"the agent failed: {type(error).__name__}: {error}") from error
        if not isinstance(answer, str):
            raise AgentError(f"the agent must return a str, and returned {type(answer).__name__}")
        return answer


def attempts_text(prompts: Prompts, attempts: Sequence[Attempt]) -> str:
    """Earlier attempts in words, in full; the empty string without any."""
    if not attempts:
        return ""
    return prompts.render(
        "action_user", query="", attempts=attempt_views(attempts), recommendation=None
    ).strip()


def _check(agent: Any) -> None:
    if not callable(agent):
        raise ConfigurationError(f"the agent is not callable: {agent!r}; it must be {_SIGNATURE}")
    if not inspect.iscoroutinefunction(agent) and not inspect.iscoroutinefunction(
        getattr(agent, "__call__", None)  # noqa: B004 - an object whose __call__ is async
    ):
        raise ConfigurationError(f"the agent is not async; it must be {_SIGNATURE}")
    try:
        signature = inspect.signature(agent)
    except ValueError:  # a built-in callable without a signature
        return
    try:
        signature.bind("task", tools=(), guidance=None)
    except TypeError as error:
        raise ConfigurationError(f"the agent cannot be called ({error}); it must be {_SIGNATURE}") from None
