"""Values that a command saves as a JSON file, read back."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from artis_sdk.errors import ConfigurationError

M = TypeVar("M", bound=BaseModel)


def read_saved(kind: type[M], path: Path, *, what: str, advice: str) -> M:
    """A value from its JSON file.

    Args:
        kind: the value's class.
        path: the file.
        what: what the file should be, with its article, for the message.
        advice: the next step where it is missing.

    Raises:
        ConfigurationError: the file is missing, cannot be read or holds something else.
    """
    try:
        return kind.model_validate_json(path.read_bytes())
    except OSError as error:
        why = f"it cannot be read ({error.strerror})"
        raise ConfigurationError(f"{path} is not {what}, {why}: {advice}") from error
    except ValidationError as error:
        why = error.errors()[0]["msg"]
        raise ConfigurationError(f"{path} is damaged, or not {what} ({why}): {advice}") from error
