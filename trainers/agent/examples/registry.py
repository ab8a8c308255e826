"""Tasks by name: the shipped examples, and the caller's own."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from artis_sdk.errors import ConfigurationError
from artis_sdk.trainers.agent.examples.lookup import lookup_tasks
from artis_sdk.trainers.agent.examples.shop import shop_tasks
from artis_sdk.trainers.agent.examples.sums import python_tasks
from artis_sdk.trainers.agent.rollout import AgentTask

_TRAIN, _HELD_OUT = 512, 128  # tasks of an example


class Tasks(NamedTuple):
    """The tasks of training, and the held-out tasks of the measurement."""

    train: Sequence[AgentTask]
    held_out: Sequence[AgentTask]


def _lookup(seed: int) -> Tasks:
    return Tasks(lookup_tasks(_TRAIN, seed=seed), lookup_tasks(_HELD_OUT, seed=seed, held_out=True))


def _python(seed: int) -> Tasks:
    return Tasks(python_tasks(_TRAIN, seed=2 * seed), python_tasks(_HELD_OUT, seed=2 * seed + 1))


def _shop(seed: int) -> Tasks:
    return Tasks(shop_tasks(_TRAIN, seed=2 * seed), shop_tasks(_HELD_OUT, seed=2 * seed + 1))


EXAMPLES: Final[dict[str, Callable[[int], Tasks]]] = {"lookup": _lookup, "python": _python, "shop": _shop}


def load_tasks(spec: str, seed: int = 0) -> Tasks:
    """Tasks by `lookup`, `python` or `shop`, or by `module:name`.

    Args:
        spec: the name in the module is a `Tasks`, a pair of lists of `AgentTask` (to train on, held out),
            or a function of a seed that makes one.
        seed: seed of the tasks.

    Raises:
        ConfigurationError: the name does not exist, or its value is neither.
    """
    if spec in EXAMPLES:
        return EXAMPLES[spec](seed)
    module, _, name = spec.partition(":")
    if not name:
        raise ConfigurationError(
            f"--tasks: unknown example {spec!r}; choose from {', '.join(EXAMPLES)}, or module:name"
        )
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"--tasks {spec}: {error}") from error
    made = found(seed) if callable(found) else found
    if not isinstance(made, tuple) or len(made) != 2:
        raise ConfigurationError(f"--tasks {spec}: not a pair of lists of AgentTask (training, held out)")
    tasks = Tasks(tuple(made[0]), tuple(made[1]))
    wrong = [task for part in tasks for task in part if not isinstance(task, AgentTask)]
    if wrong:
        raise ConfigurationError(f"--tasks {spec}: {wrong[0]!r:.80} is not an AgentTask")
    return tasks
