"""Patches of standard library functions, installed when a world is first entered.

They stay until the process ends: work that was put off may start further work long after its world is
over, and that must be refused too. In a context without a world each of them reads one context variable
and calls the original, a negligible part of a thread's cost.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from itertools import repeat
from operator import is_
from types import ModuleType
from typing import Any, NamedTuple

from artis_sdk.tools.firewall import lock

Make = Callable[[Callable[..., Any]], Callable[..., Any]]
"""Function of an original that returns its replacement."""

Check = Callable[[str, tuple[Any, ...]], None]
"""Function of an audit event's name and arguments; raises where the act is refused."""


@dataclass(eq=False, slots=True)
class _Patch:
    module: str
    path: str
    make: Make
    if_imported: bool
    owner: Any = None
    name: str = ""
    ours: Callable[..., Any] | None = None
    """The installed replacement; None before."""


class _InPlace(NamedTuple):
    """All patches that are installed, with what there is to see whether they still are."""

    owners: tuple[Any, ...]
    names: tuple[str, ...]
    ours: tuple[Callable[..., Any], ...]
    awaited: frozenset[str]
    """Modules that nobody has imported yet, and that have patches."""

    def is_all(self) -> bool:
        """Whether nothing is to be installed. Without a step of Python for each patch: every world asks."""
        found = map(getattr, self.owners, self.names, repeat(None))
        return all(map(is_, found, self.ours)) and sys.modules.keys().isdisjoint(self.awaited)


_patches: list[_Patch] = []
_in_place: _InPlace | None = None
"""None before the first world, and while a patch is new."""
_hooked: list[bool] = []
_checks: dict[str, Check] = {}


def in_place_of(module: str, *paths: str, if_imported: bool = False) -> Callable[[Make], Make]:
    """Register a patch of functions or methods, installed by the first world, or now if there was one.

    Args:
        module: name of their module.
        paths: their names in it, such as `Thread.start`; names that this Python lacks are skipped.
        if_imported: whether to leave the module alone until other code imports it.
    """

    def register(make: Make) -> Make:
        global _in_place
        with lock:
            _patches.extend(_Patch(module, path, make, if_imported) for path in paths)
            _in_place = None
        if _hooked:
            install()
        return make

    return register


def on_audit(*events: str) -> Callable[[Check], Check]:
    """Register a check of audit events; an audit hook cannot be removed."""

    def register(check: Check) -> Check:
        _checks.update(dict.fromkeys(events, check))
        return check

    return register


class _AfterImport(MetaPathFinder):
    """Installs the patches of a module that is imported after the first world was entered, or inside one."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not any(patch.module == fullname for patch in _patches):
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        found = (finder.find_spec(fullname, path, target) for finder in others)
        spec = next((spec for spec in found if spec is not None), None)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(Loader):
    """Another loader, and the patches once its module is there."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        assert module.__spec__ is not None
        module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        install()


def install() -> None:
    """Install every patch that is missing, also where other code has removed it since."""
    global _in_place
    known = _in_place  # another thread may register a patch meanwhile
    if known is not None and known.is_all():
        return
    patches = tuple(_patches)
    missing = [
        patch
        for patch in patches
        if patch.ours is None or getattr(patch.owner, patch.name, None) is not patch.ours
    ]
    for patch in missing:
        if not patch.if_imported or patch.module in sys.modules:
            _put(patch)
    if not _hooked:
        _hooked.append(True)
        sys.meta_path.insert(0, _AfterImport())
        sys.addaudithook(_audit)
    with lock:
        if len(_patches) > len(patches):  # registered meanwhile, by another thread
            install()
            return
        put = [patch for patch in patches if patch.ours is not None]
        _in_place = _InPlace(
            tuple(patch.owner for patch in put),
            tuple(patch.name for patch in put),
            tuple(patch.ours for patch in put if patch.ours is not None),
            frozenset(patch.module for patch in patches if patch.ours is None and patch.if_imported),
        )


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if event in _checks:
        _checks[event](event, args)


def _put(patch: _Patch) -> None:
    owner: Any = import_module(patch.module)
    *outer, name = patch.path.split(".")
    for part in outer:
        owner = getattr(owner, part, None)
    with lock:
        original = getattr(owner, name, None)
        if original is None or (patch.ours is not None and _is_under(patch.ours, original)):
            return
        patch.owner, patch.name = owner, name
        patch.ours = wraps(original)(patch.make(original))
        setattr(owner, name, patch.ours)


def _is_under(ours: Callable[..., Any], found: Any) -> bool:
    """Whether another library has wrapped our patch, which it calls."""
    while found is not None:
        if found is ours:
            return True
        found = getattr(found, "__wrapped__", None)
    return False
