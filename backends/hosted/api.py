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
            ConfigurationError: the official server without a key, or a field that is ours.
        """
        url = (base_url or os.environ.get(self.url_variable) or self.official).rstrip("/")
        url = url.removesuffix(self.version)
        key = api_key or os.environ.get(self.key_variable)
        if not key and url == self.official:
            raise ConfigurationError(f"{name} needs a key: set {self.key_variable} or give api_key")
        clash = self.ours & set(extra_body or ())
        if clash:
            raise ConfigurationError(f"{name}: extra_body may not set {', '.join(sorted(clash))}")
        return ApiServer(url, url == self.official, key)
