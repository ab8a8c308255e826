"""A state as prompts read it: encoded, indexed and looked up once, for all attempts of a task."""

from __future__ import annotations

import asyncio
from functools import cached_property
from threading import Lock

from artis_sdk.prompts import Data, encode
from artis_sdk.records import State
from artis_sdk.simulators.entries import Entries
from artis_sdk.simulators.look_up import LookUp

_LARGE = 500_000  # characters, from which on a state is not read on the event loop


class StateView:
    """What prompts need of one state; each is made when it is first used.

    Args:
        state: the state that a simulator receives. It is not changed from now on.
    """

    def __init__(self, state: State) -> None:
        self.state = state
        self._reading = Lock()
        self._read = False

    async def read(self) -> None:
        """Index a large state in a thread, once: it takes a second for 5 MB."""
        if not self._read and len(self.text) > _LARGE:
            await asyncio.to_thread(self._index)
        self._read = True

    def _index(self) -> None:
        with self._reading:
            _ = self.entries

    @cached_property
    def text(self) -> Data:
        """The whole state, encoded."""
        return encode(self.state)

    @cached_property
    def entries(self) -> Entries | None:
        """Its index; None for a scalar."""
        return Entries(self.state) if isinstance(self.state, dict | list) else None

    @cached_property
    def look_up(self) -> LookUp:
        """Its objects by their names."""
        return LookUp(self.state)


class StateViews:
    """The view of the last state.

    Args:
        shared: views of all attempts; by default these are alone.
    """

    def __init__(self, shared: StateViews | None = None) -> None:
        self._shared = shared
        self._view: StateView | None = None

    def of(self, state: State) -> StateView:
        """The view of a state, which is told from others by its identity."""
        if self._view is None or self._view.state is not state:
            self._view = StateView(state) if self._shared is None else self._shared.of(state)
        return self._view
