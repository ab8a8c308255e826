"""The values behind pydantic's `SecretStr` and `SecretBytes`, wherever they stand in a Python value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import Secret, SecretBytes, SecretStr

# A value may refer to half of an application; secrets beyond it are stars, and not looked for elsewhere.
_MOST = 10_000


def secret_values(value: Any) -> list[str]:
    """The secrets in a value as texts; looks into containers and public attributes."""
    found: list[str] = []
    waiting: list[Any] = [value]
    seen: set[int] = set()
    while waiting and len(seen) < _MOST:
        item = waiting.pop()
        if isinstance(item, str | bytes | int | float) or item is None or id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, SecretStr | SecretBytes | Secret):
            secret = item.get_secret_value()
            found.append(secret.decode(errors="replace") if isinstance(secret, bytes) else str(secret))
        elif isinstance(item, Mapping):
            waiting.extend(item.values())
        elif isinstance(item, list | tuple | set | frozenset):
            waiting.extend(item)
        else:
            waiting.extend(_attributes(item))
    return found


def _attributes(item: Any) -> Iterable[Any]:
    return list(getattr(item, "__dict__", {}).values())
