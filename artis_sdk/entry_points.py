"""What installed distributions register under a name, by entry points: backends, simulators and the like."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, PackageNotFoundError, distribution, entry_points
from typing import Any, Final, Literal

from artis_sdk.errors import ConfigurationError

Kind = Literal["backend", "simulator", "strategy", "integration"]
"""What may be registered."""

GROUPS: Final[dict[Kind, str]] = {
    "backend": "artis_sdk.backends",
    "simulator": "artis_sdk.simulators",
    "strategy": "artis_sdk.strategies",
    "integration": "artis_sdk.integrations",
}
"""The entry point group of each kind."""
_found: dict[tuple[Kind, str], EntryPoint] = {}


def registered(kind: Kind) -> tuple[str, ...]:
    """Every registered name, sorted."""
    return tuple(sorted({*own(kind), *(point.name for point in entry_points(group=GROUPS[kind]))}))


@cache
def own(kind: Kind) -> dict[str, EntryPoint]:
    """The names of this package, which no other distribution can take."""
    # One distribution's metadata is read in a millisecond; a scan of all of them is not.
    try:
        points = distribution("artis-sdk").entry_points
    except PackageNotFoundError:
        return {}
    return {point.name: point for point in points.select(group=GROUPS[kind])}


def find(kind: Kind, name: str) -> Any:
    """The object that is registered under a name; None if nothing is.

    Raises:
        ConfigurationError: it cannot be loaded, or several distributions have registered the name.
    """
    point = own(kind).get(name) or _found.get((kind, name))
    if point is None:
        others = {point.value: point for point in entry_points(group=GROUPS[kind], name=name)}
        if len(others) > 1:
            raise ConfigurationError(
                f"{kind} {name!r} is registered more than once: {', '.join(sorted(others))}; uninstall all "
                "but one of the distributions"
            )
        if not others:
            return None
        point = _found[kind, name] = next(iter(others.values()))
    try:
        return point.load()
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"{kind} {name!r} cannot be loaded from {point.value}: {error}") from error
