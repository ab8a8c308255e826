"""What an integration says whose framework is not installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from artis_sdk.errors import MissingExtraError


@contextmanager
def needed(framework: str, extra: str) -> Iterator[None]:
    """Around the import of a framework.

    Args:
        framework: its name, for people.
        extra: the extra that installs it.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"the integration of {framework}", extra) from error
