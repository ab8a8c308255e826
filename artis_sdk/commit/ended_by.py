"""The errors that end a commit."""

from __future__ import annotations

from collections.abc import Callable

from artis_sdk.errors import ArtisError


class EndedBy:
    """Ends the commit when an error of a kind leaves the block.

    A class, because a generator costs each real call several times as much.

    Args:
        kind: class of the error.
        end: function of the error that ends the commit.
    """

    __slots__ = ("_end", "_kind")

    def __init__(self, kind: type[ArtisError], end: Callable[[ArtisError], None]) -> None:
        self._kind = kind
        self._end = end

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, self._kind):
            self._end(error)
