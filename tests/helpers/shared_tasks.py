"""Tasks that write down which process rolls them out, and how long the processes wait."""

from __future__ import annotations

import os
from pathlib import Path
from typing import cast

from helpers.agent import Odd

from artis_sdk.records import ToolSpec
from artis_sdk.tools import Toolset
from artis_sdk.trainers.agent import AgentTask


class WatchedTools(Toolset):
    """Tools that a rollout begins by reading."""

    task = ""

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        import torch

        if self.task and torch.distributed.is_initialized():
            group = torch.distributed.distributed_c10d._get_default_group()
            waits = group._get_backend(torch.device("cpu")).options._timeout
            with Path(os.environ["ROLLED"]).open("a") as file:
                file.write(f"{self.task} {os.environ['RANK']} {waits.total_seconds():.0f}\n")
        return super().specs


def tasks(seed: int) -> tuple[list[AgentTask], list[AgentTask]]:
    """Two to train on, three held out."""
    made = []
    for n in range(5):
        tools = cast(WatchedTools, WatchedTools.from_object(Odd()))
        tools.task = f"task{n}"
        made.append(AgentTask(tools.task, "Add.", tools, answer="yes"))
    return made[:2], made[2:]
