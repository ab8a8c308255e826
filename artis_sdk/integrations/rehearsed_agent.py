"""What the agents of all frameworks share as a session's agent."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from artis_sdk.integrations.agent_tools import AgentTools
from artis_sdk.integrations.seams import tools_here
from artis_sdk.records import Risk
from artis_sdk.tools.toolset import Toolset

T = TypeVar("T")


@dataclass(eq=False, repr=False)
class RehearsedAgent(ABC):
    """A session's agent that is another framework's: `Session(agent=...)` takes its tools from it, too.

    Any number of attempts and sessions may run it at once.

    Args:
        agent: the framework's agent.
        risks: risks by tool name.
        default_risk: risk of all other tools of which the framework says nothing.
        run_agent: runs the agent on a text; None for the framework's plain way.
    """

    agent: Any
    risks: Mapping[str, Risk] | None
    default_risk: Risk
    run_agent: Callable[[Any, str], Any] | None
    tools: AgentTools = field(init=False)

    def __post_init__(self) -> None:
        self.tools = AgentTools(self.risks, self.default_risk)

    @abstractmethod
    async def session_tools(self) -> Toolset:
        """The agent's tools, as the session that opens now sees them.

        Raises:
            ConfigurationError: the agent has something that a rehearsal could not stand in front of.
        """

    @abstractmethod
    async def run(self, text: str) -> str:
        """Run the agent once, in the world of this context.

        Args:
            text: the task, with the guidance if there is any.
        """

    @abstractmethod
    def _run_plainly(self, agent: Any, text: str) -> Any:
        """The framework's plain way to run the agent; async, or called in a thread."""

    def _run(self, agent: Any, text: str) -> Any:
        return (self.run_agent or self._run_plainly)(agent, text)

    async def __call__(self, task: str, *, tools: Any, guidance: str | None) -> str:
        token = tools_here.set(self.tools)
        try:
            return await self.run(task if guidance is None else f"{task}\n\n{guidance}")
        finally:
            tools_here.reset(token)


def each_once(start: T, below: Callable[[T], Iterable[T]]) -> Iterator[T]:
    """An agent and all that are below it, each once.

    Args:
        start: the agent.
        below: an agent's own agents, such as those that are its tools; not called twice for one agent.
    """
    seen: dict[int, T] = {}
    waiting = [start]
    while waiting:
        one = waiting.pop()
        if id(one) not in seen:
            seen[id(one)] = one
            waiting += below(one)
            yield one
