"""An API that its maker serves at one address, and others at theirs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from artis_sdk.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class ApiServer:
    """Where requests go, and with which key."""

    base_url: str
    is_official: bool
    """Whether it is the maker's own."""
    key: str | None


@dataclass(frozen=True, slots=True)
class Api:
    """What is known of an API before a server is chosen."""

    official: str
    """Base URL of the maker's own server."""
    url_variable: str
    """Environment variable of a base URL."""
    key_variable: str
    """Environment variable of the key."""
    ours: frozenset[str]
    """Fields of a request's body that only we set."""
    version: str = ""
    """What a base URL may end with beyond `official`'s form, such as `/v1`; it is cut off."""

    def server(
        self, name: str, base_url: str | None, api_key: str | None, extra_body: Mapping[str, Any] | None
    ) -> ApiServer:
        """The server that a backend's options name.

        Args:
            name: the backend's, for messages.
            base_url: else the environment's; else the official one.
            api_key: else the environment's.
            extra_body: fields added to every request.

        Raises:
            ConfigurationError: the official server without a key, a key or a URL that no request can have,
                or a field that is ours.
        """
        url = _clean(name, "base_url", base_url) or _clean(name, self.url_variable) or self.official
        url = url.rstrip("/").removesuffix(self.version)
        key = _clean(name, "api_key", api_key) or _clean(name, self.key_variable)
        if not key and url == self.official:
            raise ConfigurationError(f"{name} needs a key: set {self.key_variable} or pass api_key")
        clash = self.ours & set(extra_body or ())
        if clash:
            raise ConfigurationError(f"{name}: extra_body may not set {', '.join(sorted(clash))}")
        return ApiServer(url, url == self.official, key)


def _clean(name: str, source: str, given: str | None = None) -> str | None:
    """A URL or a key without the white space around it, such as the line break at the end of a file.

    Args:
        name: the backend's.
        source: the option that was given, or an environment variable.
        given: the option's value; None for the variable's.
    """
    value = os.environ.get(source) if given is None else given
    if value is None:
        return None
    if not isinstance(value, str):
        raise ConfigurationError(f"{name}: {source} must be a str, not {type(value).__name__}")
    value = value.strip()
    check_line(f"{name}: {source}", value)
    return value


def check_line(what: str, value: str) -> None:
    """Refuse what no header of a request can hold.

    Args:
        what: what it is, for the error, which does not show the value.
        value: value of a header.

    Raises:
        ConfigurationError: it has a line break or another control character.
    """
    if any(letter < " " or letter == "\x7f" for letter in value):
        raise ConfigurationError(
            f"{what} has a line break or another control character inside, which no request can have: set "
            "it to one line"
        )
