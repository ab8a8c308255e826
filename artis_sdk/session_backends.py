"""The backends that a session makes from names."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

from artis_sdk.backends import resolve
from artis_sdk.contracts import Backend


class Backends:
    """Backends by name for one session: made once, closed with it. Backends passed in stay open."""

    def __init__(self, stack: AsyncExitStack, options: Mapping[str, Mapping[str, Any]]) -> None:
        self._stack = stack
        self._options = options
        self._made: dict[str, Backend] = {}

    def get(self, given: str | Backend) -> Backend:
        """The backend of this name; a backend is returned unchanged.

        Raises:
            ConfigurationError: see `resolve`.
        """
        if not isinstance(given, str):
            return given
        if given not in self._made:
            backend = resolve(given, **self._options.get(given, {}))
            self._stack.push_async_callback(backend.aclose)
            self._made[given] = backend
        return self._made[given]
