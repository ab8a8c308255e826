"""An HTTP error as the error of the party that must act next."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from pydantic_core import from_json

from artis_sdk.backends.hosted.durations import retry_after
from artis_sdk.backends.hosted.overflow import is_overflow, never_fits
from artis_sdk.backends.hosted.wire import encode, fields_of
from artis_sdk.errors import (
    AuthenticationFailed,
    BackendError,
    BackendTimeout,
    ContextOverflow,
    RateLimited,
    RequestRejected,
    ServerFailed,
)

_ASK_TO_WAIT = (408, 409, 425, 429, 500, 502, 503, 504, 529)
_SHOWN = 400  # characters of a server's message

_NO_QUOTA = ("insufficient_quota", "billing_hard_limit_reached", "billing_error")

# Errors that come inside a stream or a 200 carry a type instead of a status.
_STATUS_OF_TYPE = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
}


def from_response(
    backend: str,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    request_id: str | None,
    secrets: Collection[str],
) -> BackendError:
    """The error of a response that is not a success.

    Args:
        headers: headers of the response, with names in lower case.
        secrets: the key and secret headers, which are cut out of the server's message.
    """
    message, code = _said(body)
    wait = retry_after(headers, message) if status in _ASK_TO_WAIT else None
    error = _error(backend, status, message, code, wait, request_id, secrets)
    if headers.get("x-should-retry") == "false":
        error.retryable = False
    return error


def from_error_object(
    backend: str, error: Any, *, request_id: str | None, secrets: Collection[str]
) -> BackendError:
    """The error that came as JSON inside a success: in a stream, or from a proxy."""
    message, kind = _words(error)
    code = error.get("code") if isinstance(error, dict) else None
    status = code if isinstance(code, int) and 400 <= code <= 599 else _STATUS_OF_TYPE.get(kind, 500)
    return _error(backend, status, message, kind, None, request_id, secrets)


def redact(text: str, secrets: Collection[str]) -> str:
    """The text without the secrets."""
    for secret in secrets:
        text = text.replace(secret, "[key]")
    return text


def secrets_of(key: str | None, headers: Mapping[str, str]) -> list[str]:
    """What no message may show: the key, and the values of an application's own headers, which may be keys
    too (`api-key: ...`, `Authorization: Bearer ...`); none so short that it may be a word."""
    texts = [part for value in headers.values() for part in (value, value.split(" ")[-1])]
    return sorted({*filter(None, [key]), *(text for text in texts if len(text) >= 8)}, key=len, reverse=True)


def _error(
    backend: str,
    status: int,
    message: str,
    code: str,
    wait: float | None,
    request_id: str | None,
    secrets: Collection[str],
) -> BackendError:
    kind = _kind(status, message, code)
    text = f"HTTP {status}: {redact(message, secrets)[:_SHOWN] or 'no message'}"
    return kind(backend, text, status=status, retry_after=wait, request_id=request_id)


def _kind(status: int, message: str, code: str) -> type[BackendError]:
    if status in (401, 403):
        return AuthenticationFailed
    if status == 429:
        if never_fits(message):
            return ContextOverflow
        return RequestRejected if code in _NO_QUOTA else RateLimited
    if status == 408:
        return BackendTimeout
    if status == 413 or (status in (400, 422, 500) and is_overflow(message, code)):
        return ContextOverflow
    if status >= 500 or status in (409, 425):  # a lock on the server's side; a connection too young
        return ServerFailed
    return RequestRejected


def _said(body: bytes) -> tuple[str, str]:
    """The server's message, and its code or type."""
    try:
        data = from_json(body)
    except ValueError:
        return re.sub(r"<[^>]*>|\s+", " ", body[:4000].decode("utf-8", "replace")).strip(), ""
    return _words(data.get("error", data) if isinstance(data, dict) else data)


def _words(error: Any) -> tuple[str, str]:
    if not isinstance(error, dict):
        return str(error), ""
    message = error.get("message") or error.get("detail") or error.get("msg") or error
    raw = fields_of(error.get("metadata")).get("raw")  # OpenRouter: what the model's own server said
    if raw:
        message = f"{message}: {raw if isinstance(raw, str) else encode(raw).decode()}"
    code = error.get("code")
    return str(message), code if isinstance(code, str) else str(error.get("type") or "")
