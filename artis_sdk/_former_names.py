"""Former names of modules and objects: they still import, with a `DeprecationWarning`, until version 0.3.

A module's old name is found by the last finder of `sys.meta_path`, so it costs nothing to whoever uses the
new ones.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

MODULES = {
    "artis_sdk.actions": "artis_sdk.records.action_text",
    "artis_sdk.captures": "artis_sdk.logs.capture",
    "artis_sdk.evals.bfcl": "artis_sdk.evals.bench.bfcl",
    "artis_sdk.evals.report": "artis_sdk.evals.fidelity.report",
    "artis_sdk.evals.similarity": "artis_sdk.evals.fidelity.similarity",
    "artis_sdk.evals.trust": "artis_sdk.evals.fidelity.trust",
    "artis_sdk.logs.exchange": "artis_sdk.logs.jsonl",
    "artis_sdk.loop.commit": "artis_sdk.commit.commit",
    "artis_sdk.loop.journal": "artis_sdk.commit.journal",
    "artis_sdk.loop.recover": "artis_sdk.commit.recover",
    "artis_sdk.pocket.adapters": "artis_sdk.trainers.pocket.adapters",
    "artis_sdk.pocket.log": "artis_sdk.trainers.pocket.log",
    "artis_sdk.pocket.ship": "artis_sdk.trainers.pocket.ship",
    "artis_sdk.pocket.train": "artis_sdk.trainers.pocket.train",
    "artis_sdk.tools.jsonable": "artis_sdk.records.jsonable",
    "artis_sdk.trainers.agent.tasks_lookup": "artis_sdk.trainers.agent.examples.lookup",
    "artis_sdk.trainers.agent.tasks_python": "artis_sdk.trainers.agent.examples.sums",
    "artis_sdk.trainers.agent.tasks_shop": "artis_sdk.trainers.agent.examples.shop",
    "artis_sdk.trainers.failures": "artis_sdk.trainers.failure_modes",
    "artis_sdk.trainers.gguf": "artis_sdk.trainers.export.gguf",
    "artis_sdk.trainers.rebalance": "artis_sdk.trainers.dataset.rebalance",
    "artis_sdk.trainers.rows": "artis_sdk.trainers.dataset.training_rows",
    "artis_sdk.trainers.sft": "artis_sdk.trainers.simulator.train",
    "artis_sdk.trainers.sft_settings": "artis_sdk.trainers.simulator.settings",
    "artis_sdk.trainers.taxonomy": "artis_sdk.trainers.failure_modes.outcome_types",
}
"""Modules by their former names."""


def renamed(module: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """A module's `__getattr__` for its former names.

    Args:
        module: its `__name__`.
        names: new names in the module, by former name.
    """

    def get(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        _warn(f"{module}.{name}", f"{module}.{names[name]}")
        return getattr(sys.modules[module], names[name])

    return get


def _warn(former: str, new: str) -> None:
    warnings.warn(f"{former} is now {new}; the former name is removed in version 0.3", DeprecationWarning, 3)


class _Moved(MetaPathFinder, Loader):
    """Finds a module by its former name, which is the module of the new name."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname in MODULES else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        _warn(spec.name, MODULES[spec.name])
        return _Alias(spec.name, import_module(MODULES[spec.name]))

    def exec_module(self, module: ModuleType) -> None:
        """Nothing to run: the module of the new name has run."""


class _Alias(ModuleType):
    """A module under its former name, with the attributes of the new one."""

    def __init__(self, name: str, module: ModuleType) -> None:
        super().__init__(name, f"See `{module.__name__}`.")
        self.__dict__["_module"] = module

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_module"], name)


def install() -> None:
    """Find former names from now on; once per process."""
    sys.meta_path.append(_Moved())
