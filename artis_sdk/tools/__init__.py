"""Guarded tools, toolsets, and the firewall between rehearsals and the real world."""

from artis_sdk.tools.decorator import guarded_tool
from artis_sdk.tools.guarded import GuardedTool, Invocation, Reply
from artis_sdk.tools.observe import add_observer, remove_observer
from artis_sdk.tools.toolset import Toolset
from artis_sdk.tools.world import World, current_world, entered, outside, running_code

__all__ = [
    "GuardedTool",
    "Invocation",
    "Reply",
    "Toolset",
    "World",
    "add_observer",
    "current_world",
    "entered",
    "guarded_tool",
    "outside",
    "remove_observer",
    "running_code",
]
