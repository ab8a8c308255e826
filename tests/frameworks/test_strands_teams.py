"""Graphs and swarms of Strands agents: what a rehearsal leaves of them, and what is refused."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from helpers.fault_server import serving
from helpers.framework_laws import Ledger, session
from helpers.frameworks import PAY

from artis_sdk.errors import ConfigurationError

pytest.importorskip("strands.multiagent", reason="`make frameworks` installs it and runs this")

from frameworks.cases.strands import Strands
from strands import Agent
from strands.multiagent.base import MultiAgentBase
from strands.multiagent.graph import GraphBuilder
from strands.session.file_session_manager import FileSessionManager

from artis_sdk.integrations.strands import rehearsed


async def test_a_swarm_begins_each_attempt_as_it_was_and_keeps_what_the_commit_did(tmp_path: Path) -> None:
    case = Strands()
    turns = case.turns(PAY, way="hand-off")
    async with serving(case.model(*turns)) as server, AsyncExitStack() as stack:
        agent = case.agent(server.base_url, Ledger(), "hand-off", stack)
        swarm = agent.agent
        async with session(agent, tmp_path / "j.db") as s:
            plan = await s.rehearse("Pay.")
            assert [len(node.executor.messages) for node in swarm.nodes.values()] == [0, 0]
            assert swarm.shared_context.context == {}
            assert swarm.state.node_history == []
            result = await s.commit(plan)
    assert result.answer == "done"
    assert swarm.shared_context.context == {"head": {"for": 1}}
    assert [node.node_id for node in swarm.state.node_history] == ["head", "clerk"]


async def test_a_graph_is_as_it_was_after_a_rehearsal(tmp_path: Path) -> None:
    case = Strands()
    async with serving(case.model(PAY)) as server, AsyncExitStack() as stack:
        agent = case.agent(server.base_url, Ledger(), "graph", stack)
        async with session(agent, tmp_path / "j.db") as s:
            plan = await s.rehearse("Pay.")
            nodes = agent.agent.nodes.values()
            assert [(node.execution_status.value, node.result) for node in nodes] == [("pending", None)] * 2
            assert agent.agent.state.execution_order == []
            await s.commit(plan)
            assert [node.execution_status.value for node in nodes] == ["completed"] * 2


class Remote(MultiAgentBase):  # type: ignore[misc]  # its base has no types here
    """A node whose agents are elsewhere."""

    id = "remote"

    async def invoke_async(self, task: Any, invocation_state: Any = None, **kwargs: Any) -> Any:
        raise NotImplementedError

    def serialize_state(self) -> dict[str, Any]:
        return {}

    def deserialize_state(self, payload: dict[str, Any]) -> None:
        pass


@pytest.mark.parametrize("what", ["a node that is no agent", "a session manager"])
async def test_a_graph_that_cannot_be_rehearsed_is_refused(what: str, tmp_path: Path) -> None:
    graph = GraphBuilder()
    graph.set_max_node_executions(5)
    if what == "a session manager":
        graph.add_node(Agent(callback_handler=None, model=_Model()), "head")
        graph.set_session_manager(FileSessionManager("s", storage_dir=str(tmp_path)))
        words = "has a session manager"
    else:
        graph.add_node(Remote(), "remote")
        words = "Remote is neither an Agent nor a Graph or Swarm"
    with pytest.raises(ConfigurationError, match=words):
        async with session(rehearsed(graph.build()), tmp_path / "j.db"):
            pass


class _Model:
    """A model that nobody asks."""

    stateful = False

    def get_config(self) -> dict[str, Any]:
        return {}
