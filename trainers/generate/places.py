"""The known start states: their values by name, and changes to try."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random

from pydantic import JsonValue

from artis_sdk.records import State
from artis_sdk.trainers.generate.mutation import edges
from artis_sdk.trainers.generate.values import Pool, Values
from artis_sdk.trainers.generate.worlds import Change, Path, is_address, leaves

Leaf = tuple[Path, JsonValue]


class Places:
    """Reads worlds on demand.

    Args:
        state: function from a world's number to its start state.
    """

    def __init__(self, state: Callable[[int], State]) -> None:
        self._state = state
        self._leaves: dict[int, dict[str, list[Leaf]]] = {}
        self._pools: dict[int, Pool] = {}
        self._seen: dict[tuple[str, ...], Values] = {}
        """Values by place in the state, over all worlds looked at; keys of containers do not count."""

    def pool(self, world: int) -> Pool:
        """The values of one world's state."""
        self._look(world)
        return self._pools[world]

    def change(
        self,
        world: int,
        names: Iterable[str],
        hints: list[JsonValue],
        random: Random,
        *,
        near: frozenset[str] = frozenset(),
    ) -> Change | None:
        """A change of the start state at a value that one of these names leads to.

        Args:
            world: number of the world.
            names: names such as those of a condition.
            hints: constants that the code compares with such values.
            random: source of random decisions.
            near: keys, such as identifiers in a call; values below one of them come first.

        Returns:
            The change; None if the state has none of these names.
        """
        self._look(world)
        by_name = self._leaves[world]
        found = [leaf for name in sorted(names) for leaf in by_name.get(name, ())]
        if not found:
            return None
        close = [leaf for leaf in found if not near.isdisjoint(leaf[0])]
        path, old = random.choice(close if close and random.random() < 0.8 else found)
        hinted = hints if random.random() < 0.75 else []
        for values in (hinted, self._values(path, old)):
            fitting = [v for v in values if _fits(old, v) and v != old]
            if fitting:
                return Change(path, random.choice(fitting))
        return None

    def has(self, world: int, names: Iterable[str]) -> bool:
        """Whether a world's state has any of these names."""
        self._look(world)
        return any(name in self._leaves[world] for name in names)

    def names(self, world: int) -> list[str]:
        """Every name in a world's state."""
        self._look(world)
        return sorted(self._leaves[world])

    def _values(self, path: Path, old: JsonValue) -> list[JsonValue]:
        """Values of this place in other states, and the edges of its type."""
        if isinstance(old, list | dict):
            return [type(old)()]
        return [*self._seen[_place(path)].list(), *edges(1 if old is None else old), None]

    def _look(self, world: int) -> None:
        if world in self._leaves:
            return
        state = self._state(world)
        by_name: dict[str, list[Leaf]] = {}
        for path, value in leaves(state):
            if is_address(path, value):
                continue
            for name in dict.fromkeys(path[1:]):
                if not name.isdecimal():
                    by_name.setdefault(name, []).append((path, value))
            if not isinstance(value, dict | list):
                self._seen.setdefault(_place(path), Values()).add(value)
        self._leaves[world] = by_name
        pool = self._pools[world] = Pool()
        pool.add_state(state)


def _place(path: Path) -> tuple[str, ...]:
    """Object, attribute, and the last key: `TravelAPI.credit_card_list.balance` for every card."""
    return (*path[:2], path[-1] if not path[-1].isdecimal() else "")


def _fits(old: JsonValue, new: JsonValue) -> bool:
    if old is None or new is None:
        return not isinstance(new, dict | list)
    if isinstance(old, bool) or isinstance(new, bool):
        return isinstance(old, bool) and isinstance(new, bool)
    if isinstance(old, int | float):
        return isinstance(new, int | float)
    return type(old) is type(new)
