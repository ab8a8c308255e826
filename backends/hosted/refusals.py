"""What a server will not take in a request, read off its refusals and remembered.

Models and servers differ in the optional fields that they know, and lists of models are out of date the day
after. So a field that was refused is left out from then on, and the request is sent again without it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

_REFUSED = re.compile(
    r"unsupported|not (?:\w+ )?support|n['o]t support|no support|unrecogni[sz]ed|unknown|unexpected"
    r"|extra (?:inputs?|fields?|param)|not (?:permitted|allowed|accept|available|implemented|enabled)"
    r"|unavailable|deprecated|only the default|only \d+(?:\.\d+)? is allowed|may only be set|must be unset"
    r"|cannot (?:both|be used|be specified)|is not a valid|invalid (?:parameter|argument|field|schema)"
    r"|please (?:remove|use only)|incompatible|only supported|does not exist",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Optional:
    """A part of a request that a server may not take."""

    name: str
    field: bytes
    """How the part begins in a request's body."""
    told: re.Pattern[str]
    """How a refusal names it."""
    without: str
    """What is so without it, for the log: the model ..."""

    def is_refused(self, message: str, body: bytes) -> bool:
        """Whether a server refused a request for this part.

        Args:
            message: the server's message.
            body: the request.
        """
        return (
            self.field in body
            and self.told.search(message) is not None
            and _REFUSED.search(message) is not None
        )


def optional(name: str, field: str, told: str, without: str) -> Optional:
    """A part of a request that a server may not take; arguments as the fields of `Optional`, as texts."""
    return Optional(name, field.encode(), re.compile(told, re.IGNORECASE), without)


TEMPERATURE = optional(
    "temperature",
    '"temperature":',
    r"\btemperature\b",
    "takes no temperature, so it samples at its own",
)
TOP_P = optional("top_p", '"top_p":', r"\btop_?p\b", "takes no top-p")

STOP = optional("stop", '"stop":', r"\bstop\b", "takes no stop strings; its whole answers are cut here")
TOOL_CHOICE = optional(
    "tool_choice",
    '"tool_choice":',
    r"\btool_?choice\b",
    "takes no tool_choice: it may answer in words where a call is required; where none is wanted, it is "
    "offered no tools",
)


class Refused:
    """The parts that a server has refused.

    Args:
        parts: the parts that it may refuse; of several that a refusal names, the first one is left out.
    """

    def __init__(self, parts: Sequence[Optional]) -> None:
        self._parts = parts
        self.names: set[str] = set()
        """Names of the parts that are left out."""

    def learn(self, message: str, body: bytes, known: Collection[str]) -> Optional | None:
        """The part that a server refused a request for, which is left out from now on; None if it refused
        the request for something else.

        Args:
            message: the server's message.
            body: the request.
            known: parts that were left out of this request already.
        """
        for part in self._parts:
            if part.name not in known and part.is_refused(message, body):
                self.names.add(part.name)
                return part
        return None
