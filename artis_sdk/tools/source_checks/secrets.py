"""Literals of the source that may be secrets, left out of what a model sees."""

from __future__ import annotations

import re
from typing import Final

HIDDEN: Final = "[hidden]"

_NAME: Final = re.compile(
    r"pass(?:word|wd|phrase)?s?$|secret|token|api_?key|private_?key|credential|auth|salt|(?:^|_)(?:pwd|pin|dsn)",
    re.IGNORECASE,
)
_PREFIXED: Final = re.compile(
    r"\b(?:sk|pk|rk|ghp|gho|github_pat|glpat|xox[abprs]|AKIA|ASIA|AIza|eyJ)[-_A-Za-z0-9.]{10,}"
)
_ADDRESS: Final = re.compile(r"\b\w+://[^\s/@]+@\S+")
_LONG: Final = re.compile(r"[A-Za-z0-9+/=_.-]{20,}")


def secret_name(name: str) -> bool:
    """Whether a name tells of a secret, such as `API_KEY`."""
    return _NAME.search(name) is not None


def without_secrets(text: str) -> str:
    """A literal with what looks like a secret replaced: known prefixes, addresses with a password, and long
    runs of letters with digits."""
    text = _ADDRESS.sub(HIDDEN, _PREFIXED.sub(HIDDEN, text))
    return _LONG.sub(lambda run: HIDDEN if _random(run[0]) else run[0], text)


def _random(run: str) -> bool:
    """Whether letters and digits are mixed as in a key, not as in a name with a number at its end."""
    return len(re.findall(r"[A-Za-z]\d|\d[A-Za-z]", run)) >= 3
