"""Guarded tools, toolsets, and the firewall between rehearsals and the real world."""

from artis_sdk.tools.decorator import guarded_tool
from artis_sdk.tools.guarded import GuardedTool, Invocation
from artis_sdk.tools.observe import add_observer, remove_observer
from artis_sdk.tools.reply import Reply
from artis_sdk.tools.toolset import Toolset
from artis_sdk.tools.world import World, current_world, entered, no_real_calls, outside, running_code

Tool = GuardedTool
"""What a `Toolset` holds: made of a function (`@guarded_tool`) or of a schema (`Tool.from_schema`)."""

__all__ = [
    "GuardedTool",
    "Invocation",
    "Reply",
    "Tool",
    "Toolset",
    "World",
    "add_observer",
    "current_world",
    "entered",
    "guarded_tool",
    "no_real_calls",
    "outside",
    "remove_observer",
    "running_code",
]
