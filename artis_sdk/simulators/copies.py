"""The objects behind a sandbox's tools, copied for an attempt, and whether the copies are independent."""

from __future__ import annotations

import copy
import io
import re
import sys
from collections.abc import Callable, Iterable
from typing import Any

from artis_sdk.errors import ConfigurationError, SimulationError
from artis_sdk.simulators.connections import (
    IMPORT_FORKS,
    fork_line,
    reach_of,
    reach_outside,
    unseen_database,
)
from artis_sdk.simulators.forks.making import Making
from artis_sdk.simulators.shared import Shared
from artis_sdk.simulators.uncopied import provide
from artis_sdk.tools.object_forks import fork_of
from artis_sdk.tools.protocols import RunnableTool

Guarded = RunnableTool

_CHANGED = re.compile(r"(?:changed size|mutated) during iteration")


def copied(tools: Iterable[Guarded], fork: Callable[[Any], Any], making: Making) -> dict[int, Any]:
    """The forked objects by the id of the original; objects with their own fork come first.

    Args:
        tools: tools bound to the originals.
        fork: fork for objects without their own.
        making: record of everything that is made for them.

    Raises:
        ConfigurationError: an object cannot be forked.
        SimulationError: it was changed meanwhile.
    """
    first: dict[int, Guarded] = {}
    for tool in tools:
        if tool.owner is not None:
            first.setdefault(id(tool.owner), tool)
    ordered = sorted(first.values(), key=lambda tool: fork_of(tool.owner) is None)
    making.provide = _provide
    try:
        return {id(tool.owner): _copy(tool, fork_of(tool.owner) or fork, making) for tool in ordered}
    finally:
        making.restore_singletons()


def _provide(original: object, making: Making) -> None:
    # A forked engine is not looked into: by an open connection it leads to the event loop and all its tasks.
    engines = [one for one in making.vouched if id(one) in making.engines]
    provide(Shared([original], engines).objects(), making)


def _copy(tool: Guarded, fork: Callable[[Any], Any], making: Making) -> Any:
    owner = tool.owner
    kind = type(owner).__name__
    try:
        if fork is copy.deepcopy:
            made = making.copied(owner)
        else:
            made = making.memo[id(owner)] = making.result(fork(owner), owner)
    except Exception as error:
        if isinstance(error, RuntimeError) and _CHANGED.search(str(error)):
            raise SimulationError(
                tool.name,
                f"another thread changed the {kind} behind it while it was copied for this attempt. Rehearse "
                "while no call writes to it, or give it a fork that takes its lock: "
                "Toolset.from_object(..., fork=...)",
            ) from error
        held = Shared([owner]).first(lambda each: reach_outside(each) is not None)
        reach = reach_outside(type(held[1])) if held else None
        line = fork_line(held[0], reach) if held and reach else None
        if held and reach and line and fork is copy.deepcopy:
            raise ConfigurationError(
                f"SandboxSimulator cannot fork the {kind} behind {tool.name}: it holds {reach.what} at "
                f"{held[0]}. Give it a fork: {line}"
            ) from error
        raise ConfigurationError(
            f"SandboxSimulator cannot fork the {kind} behind {tool.name}: {error!r}. Give the object a "
            "fork: Toolset.from_object(..., fork=...) with one of artis_sdk.simulators.forks, a __fork__ "
            f"method, or SandboxSimulator(fork=...) with a function that makes an independent {kind}"
        ) from error
    if made is None or made is owner:
        raise ConfigurationError(
            f"SandboxSimulator: the fork of the {kind} behind {tool.name} is "
            f"{'None' if made is None else 'the object itself'}, not an independent copy"
        )
    return made


def check_independent(tools: Iterable[Guarded], copies: Iterable[Any], share: Iterable[Any]) -> Shared:
    """Look for real things that the forks still reach.

    Args:
        tools: tools bound to the originals.
        copies: the forked objects.
        share: parts that they may share with the originals, see `SandboxSimulator`.

    Returns:
        What the forks reach.

    Raises:
        ConfigurationError: they reach an open connection, a database that a driver would reach unseen,
            or something mutable that the originals reach, too.
    """
    roots = list(copies)
    shared = Shared(roots, share)
    found = shared.first(lambda kind: reach_of(kind) is not None)
    if found is not None:
        path, value = found
        reach = reach_of(type(value))
        assert reach is not None
        raise ConfigurationError(
            f"SandboxSimulator: the fork has {reach.what} at {path}, and what goes through it is not "
            f"seen. It needs {fork_line(path, reach) or reach.fork}; if no tool uses it, "
            f"SandboxSimulator(share=[{path!r}])"
        )
    for root in roots:
        unseen = unseen_database(root)
        if unseen is not None and not shared.names(unseen[0]):
            raise ConfigurationError(
                f"SandboxSimulator: {unseen[0]} addresses a database, and {unseen[1]} connects in C code, "
                "which is not seen. Let the object hold an SQLAlchemy engine, with fork=forks.of("
                f"engine=forks.engine) {IMPORT_FORKS}, or give it a __fork__ method; if no tool uses it, "
                f"SandboxSimulator(share=[{unseen[0]!r}])"
            )
    owners = {id(tool.owner): tool.owner for tool in tools if tool.owner is not None}
    common = shared.path(owners.values())
    if common is not None:
        raise ConfigurationError(
            f"SandboxSimulator: the fork and the original share {common}, so a rehearsal would change "
            "the real one. Give the object a fork that copies it (Toolset.from_object(..., fork=...), or "
            f"a __fork__ method), or, if that is intended, SandboxSimulator(share=[{common!r}])"
        )
    return shared


def check_globals(places: Iterable[tuple[str, Any]], share: Iterable[Any]) -> None:
    """Look for open connections and files that the tools' code reaches without an object.

    Args:
        places: objects with the paths to them.
        share: what bodies may use even so: names, classes, objects.

    Raises:
        ConfigurationError: there is one whose data the seal does not see.
    """
    given = list(share)
    kinds = tuple(entry for entry in given if isinstance(entry, type))
    held = list(places)
    found = {id(type(value)): type(value) for _, value in held}
    reaches = {key: reach_outside(kind) for key, kind in found.items()}
    for name, value in held:
        reach = reaches[id(type(value))]
        if reach is None or reach.seen or _writes_nothing(value):
            continue
        if isinstance(value, kinds) or any(entry is value or entry == name for entry in given):
            continue
        line = fork_line(f"service.{name.rpartition('.')[2]}", reach)
        raise ConfigurationError(
            f"SandboxSimulator: {name} is {reach.what} within reach of the tools' code, and what goes "
            f"through it is not seen. Let the tools' object hold it, with {line or reach.fork}; "
            f"if no tool uses it, SandboxSimulator(share=[{name!r}])"
        )


def _writes_nothing(value: Any) -> bool:
    """Whether a file is closed, read alone, or what `print` writes to."""
    if not isinstance(value, io.IOBase):
        return False
    streams = (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)
    return value.closed or not value.writable() or any(value is stream for stream in streams)
