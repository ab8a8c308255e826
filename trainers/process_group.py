"""The processes that train together."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any, Final, NamedTuple

from artis_sdk.errors import TrainingError
from artis_sdk.trainers.precision import Chosen, check_attention, check_four_bit, choose_precision
from artis_sdk.trainers.run_settings import RunSettings

WAIT: Final = timedelta(hours=24)
"""How long a process waits for the others: longer than the first one prepares the data of a large log."""


_SHARDED: Final = {
    "ACCELERATE_USE_FSDP": "FSDP",
    "ACCELERATE_USE_DEEPSPEED": "DeepSpeed",
    "ACCELERATE_USE_MEGATRON_LM": "Megatron-LM",
    "ACCELERATE_USE_PARALLELISM_CONFIG": "a parallelism config",
}  # by accelerate's variables


class Joined(NamedTuple):
    """The processes of a run, and what they train with."""

    processes: Any
    """accelerate's `PartialState`."""
    precision: Chosen
    cpu: bool
    """Whether they train on the CPU."""


def join_processes(settings: RunSettings, *, cpu: bool | None) -> Joined:
    """Join the processes that `torchrun` or `accelerate launch` started; alone without either.

    Args:
        settings: settings of the run.
        cpu: whether to train on the CPU; None for only where there is no GPU.

    Raises:
        TrainingError: the device lacks a setting, a step cannot be shared by the processes, or they are
            told to share one model's weights.
    """
    import torch
    from accelerate import PartialState

    for variable, name in _SHARDED.items():
        if os.environ.get(variable, "false").lower() in ("true", "1"):
            raise TrainingError(
                f"{name} divides the weights among the processes; here each process holds the whole model, "
                "answers with it and saves it. Start the run with torchrun, or accelerate launch --multi_gpu"
            )
    on_cpu = not torch.cuda.is_available() if cpu is None else cpu
    check_attention(settings.attn_implementation, cpu=on_cpu)
    check_four_bit(settings.four_bit, cpu=on_cpu)
    precision = choose_precision(settings.precision, cpu=on_cpu)
    processes = PartialState(cpu=on_cpu, timeout=WAIT)
    settings.check_shares(processes.num_processes)
    return Joined(processes, precision, on_cpu)
