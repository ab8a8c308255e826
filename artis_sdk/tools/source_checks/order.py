"""A tool's checks in the order in which they run, with what each answers; for prompts, not for counting.

`read.read_tool` finds the statements that fail, each once and by function. Here a helper's checks stand where
it is called, once for each call, and its parameters are the caller's expressions.
"""

from __future__ import annotations

from typing import Any

from artis_sdk.tools.guarded import GuardedTool
from artis_sdk.tools.source_checks.calls import Live, Target
from artis_sdk.tools.source_checks.checks import Check, ToolChecks
from artis_sdk.tools.source_checks.code import NoSource, own_layer, plain_function
from artis_sdk.tools.source_checks.messages import Expression
from artis_sdk.tools.source_checks.walk import ToolWalk

__all__ = ["Check", "Expression", "ToolChecks", "ordered_checks"]


def ordered_checks(tool: GuardedTool[..., Any]) -> ToolChecks | None:
    """Read a tool's checks in order, those of its own decorators included; None for a tool without readable
    source."""
    function, outermost = plain_function(tool), own_layer(tool)
    if function is None:
        return None
    owner = tool.owner
    on = Live(owner) if owner is not None else None
    walk = ToolWalk(function, on)
    try:
        if outermost is not None and outermost is not function:
            walk.wrapper(Target(outermost, on))
        if not walk.reached:
            walk.function(Target(function, on), {}, (), returned=True)
    except NoSource:
        return None
    return walk.found
