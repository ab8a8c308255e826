"""Keys of some 480 providers, by the rules of MongoDB's Kingfisher, in addition to our own rules."""

from __future__ import annotations

from functools import cache
from typing import Any

from artis_sdk.errors import MissingExtraError


@cache
def _scanner() -> Any:
    """Compiled once per process, which takes seconds; later processes read the compiled rules from the user's
    cache folder. It scans in this process and contacts no server."""
    try:
        from kingfisher_sdk import Scanner
    except ImportError:
        raise MissingExtraError("ProviderKeys", "secrets") from None
    return Scanner()


class ProviderKeys:
    """A rule for a `Redactor`: `Redactor(ProviderKeys())`. Its time grows with the text's length alone.

    Raises:
        MissingExtraError: `artis-sdk[secrets]` is not installed.
    """

    def __init__(self) -> None:
        self._scan = _scanner().scan

    def find(self, text: str) -> list[str]:
        """The keys in a text."""
        return [found.secret for found in self._scan(text.encode("utf-8", "replace")) if found.visible]
