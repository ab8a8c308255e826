"""The servers behind a gateway, as MCP clients write them: `{"mcpServers": {name: server}}`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from artis_sdk.errors import ConfigurationError
from artis_sdk.logs.secret_names import SECRET_NAMES, SecretNames
from artis_sdk.records import Risk

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
"""`${NAME}`, or `${NAME:-default}`."""
_SHORTEST_SECRET = 6
"""Characters from which on a secret is hidden wherever it occurs."""
_NAMES = SecretNames(SECRET_NAMES)


class UpstreamServer(BaseModel):
    """One server: a command that speaks MCP over its standard streams, or the URL of one over HTTP.

    Other keys, which clients have for themselves, are kept in `model_extra` and change nothing.
    """

    model_config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True)

    type: Literal["stdio", "http", "streamable-http", "streamableHttp"] | None = None
    command: str | None = None
    args: tuple[str, ...] = ()
    env: dict[str, str] = Field(default_factory=dict)
    cwd: str | None = None
    url: str | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    disabled: bool = False
    risks: dict[str, Risk] = Field(default_factory=dict)
    """Risks by the server's own tool names, above what it says itself."""
    trust_annotations: bool = True
    """Whether the server's word on its tools counts; without it every tool may change something."""

    @model_validator(mode="after")
    def _is_one_kind(self) -> UpstreamServer:
        if (self.command is None) == (self.url is None):
            raise ValueError("give either `command`, with `args` and `env`, or `url`, with `headers`")
        if self.type is not None and (self.type == "stdio") != (self.command is not None):
            raise ValueError(
                f"`type` is {self.type}, which does not fit `{'command' if self.command else 'url'}`"
            )
        return self


_SERVERS = TypeAdapter(dict[str, UpstreamServer])


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """What stands behind a gateway."""

    servers: Mapping[str, UpstreamServer]
    """The servers that are not disabled, by name."""
    secrets: tuple[str, ...] = ()
    """Values of variables, `env` and `headers` that have the name of a secret, to be hidden in journal, log
    and on screens."""
    ignored: tuple[str, ...] = ()
    """Keys of the file that mean nothing here, as `server.key`."""


def read_config(path: Path, environment: Mapping[str, str]) -> GatewayConfig:
    """The configuration in a file, with `${NAME}` and `${NAME:-default}` filled in from the environment.

    Args:
        path: JSON file.
        environment: variables by name.

    Raises:
        ConfigurationError: the file cannot be read, does not fit, names a variable that is not set, or has no
            server. No value of a variable is in the message.
    """
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path} is not JSON: {error}") from error
    secrets: set[str] = set()

    def fill_in(text: str) -> str:
        def value(found: re.Match[str]) -> str:
            name, default = found.groups()
            if name in environment:
                if _NAMES.is_secret(name):
                    secrets.add(environment[name])
                return environment[name]
            if default is None:
                raise ConfigurationError(f"{path} names the variable {name}, which is not set")
            return str(default)

        return _VARIABLE.sub(value, text)

    servers = given.get("mcpServers") if isinstance(given, dict) else None
    if not isinstance(servers, dict):
        raise ConfigurationError(f"{path} has no object mcpServers")
    filled = {name: _of_one(one, fill_in) for name, one in servers.items()}
    try:
        read = _SERVERS.validate_python(filled)
    except ValidationError as error:
        raise ConfigurationError(f"{path}: {_explain(error)}") from None
    running = {name: server for name, server in read.items() if not server.disabled}
    if not running:
        raise ConfigurationError(f"{path} has no server under mcpServers that is not disabled")
    ignored = [key for key in given if key != "mcpServers"]
    ignored += [f"{name}.{key}" for name, server in running.items() for key in server.model_extra or ()]
    for server in running.values():
        named = (*server.env.items(), *server.headers.items())
        # Of `Bearer abc` the second word.
        secrets |= {value.split()[-1] for key, value in named if value.strip() and _NAMES.is_secret(key)}
    hidden = tuple(sorted(secret for secret in secrets if len(secret) >= _SHORTEST_SECRET))
    return GatewayConfig(running, hidden, tuple(ignored))


def _of_one(server: Any, fill_in: Callable[[str], str]) -> Any:
    # What is switched off needs no variables.
    off = isinstance(server, dict) and server.get("disabled") is True
    return server if off else _filled(server, fill_in)


def _filled(value: Any, fill_in: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return fill_in(value)
    if isinstance(value, list):
        return [_filled(one, fill_in) for one in value]
    if isinstance(value, dict):
        return {key: _filled(one, fill_in) for key, one in value.items()}
    return value


def _explain(error: ValidationError) -> str:
    problems = ((".".join(map(str, one["loc"])), one["msg"]) for one in error.errors(include_input=False))
    return "; ".join(f"{where}: {what}" for where, what in problems)
