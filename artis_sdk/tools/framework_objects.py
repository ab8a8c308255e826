"""Tool objects of other frameworks in a `Toolset`, each by the integration of its framework."""

from __future__ import annotations

from importlib import import_module

from artis_sdk.tools.guarded import GuardedTool

_INTEGRATIONS = {
    "agents": "openai_agents",
    "autogen_core": "autogen",
    "crewai": "crewai",
    "google": "google_adk",
    "langchain_core": "langchain",
    "pydantic_ai": "pydantic_ai",
    "smolagents": "smolagents",
    "strands": "strands",
}
"""By the top module of a tool object's class or of one above it."""


def framework_tool(given: object) -> GuardedTool[..., object] | None:
    """The tool of a framework's tool object; None for any other object.

    Raises:
        ToolDefinitionError: it needs its framework's agent.
    """
    for kind in type(given).__mro__:
        integration = _INTEGRATIONS.get(kind.__module__.partition(".")[0])
        if integration is not None and hasattr(given, "name" if integration != "strands" else "tool_name"):
            # By name: integrations stand above the tools.
            made: GuardedTool[..., object] = import_module(f"artis_sdk.integrations.{integration}").as_tool(
                given
            )
            return made
    return None
