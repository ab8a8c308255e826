"""Defaults of the parameters of real functions."""

from __future__ import annotations

import ast
from types import FunctionType
from typing import Any

from artis_sdk.simulators.interpreter.classes import is_one
from artis_sdk.simulators.interpreter.constants import found
from artis_sdk.simulators.interpreter.copying import copied
from artis_sdk.simulators.interpreter.sources import Sources
from artis_sdk.simulators.interpreter.values import CannotTell, Hole, fills_in, plain


class Defaults:
    """What the defaults of parameters hold that calls may change: as written, then as calls leave it."""

    def __init__(self) -> None:
        self._held: dict[tuple[int, str], Any] = {}
        self._functions: list[FunctionType] = []
        """Kept, so that their ids stay theirs."""
        self._void = ""

    def void(self, why: str) -> None:
        """A call has had effects that are not known."""
        self._void = why

    def copy(self, known: dict[int, Any]) -> Defaults:
        """A copy that shares nothing, but for functions.

        Args:
            known: see `copied`.
        """
        made = Defaults()
        made._functions = [*self._functions]
        made._void = self._void
        made._held = {key: copied(value, known) for key, value in self._held.items()}
        return made

    def of(self, function: FunctionType, takes: ast.arguments, sources: Sources) -> dict[str, Any]:
        """The defaults of a function, by parameter."""
        every = [a.arg for a in (*takes.posonlyargs, *takes.args)]
        given = function.__defaults__ or ()
        pairs = dict(zip(every[len(every) - len(given) :], given, strict=False))
        pairs |= function.__kwdefaults__ or {}
        written = dict(zip(every[len(every) - len(takes.defaults) :], takes.defaults, strict=False))
        written |= {
            a.arg: d for a, d in zip(takes.kwonlyargs, takes.kw_defaults, strict=True) if d is not None
        }
        return {n: self._default(function, n, value, written.get(n), sources) for n, value in pairs.items()}

    def _default(
        self, function: FunctionType, name: str, value: Any, written: ast.expr | None, sources: Sources
    ) -> Any:
        if not (is_one(type(value), (list, dict, set)) or fills_in(value)):
            return found(value, f"the default of {name}", sources)
        key = id(function), name
        if key not in self._held:
            self._functions.append(function)
            self._held[key] = _as_written(value, written, f"the default of {name}, which calls may change")
        if self._void and not isinstance(self._held[key], Hole):
            raise CannotTell(self._void)
        return self._held[key]


def _as_written(value: Any, written: ast.expr | None, why: str) -> Any:
    """A default that no call has changed so far: it is as the source has it."""
    try:
        made = None if written is None else ast.literal_eval(written)
    except ValueError:
        made = None
    return made if made is not None and _same(made, value) else Hole(why, kind=type(value))


def _same(written: Any, live: Any) -> bool:
    """Whether a live value is a literal's, types included; nothing of the live one's code runs."""
    if type(written) is not type(live):
        return False
    if plain(written):
        return bool(written == live)
    if not is_one(type(written), (list, tuple, dict, set)) or len(written) != len(live):
        return False
    if type(written) is set:
        return all(map(plain, live)) and bool(written == live)
    if type(written) is dict:
        return all(map(_same, written.items(), live.items()))
    return all(map(_same, written, live))
