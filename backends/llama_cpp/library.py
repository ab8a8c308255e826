"""The native library: its import, its log, and its reasons for a refusal."""

from __future__ import annotations

import ctypes
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from artis_sdk.errors import MissingExtraError

_log = logging.getLogger("artis_sdk.llama_cpp")
_LEVELS = {1: logging.DEBUG, 2: logging.DEBUG, 3: logging.INFO, 4: logging.WARNING}  # ggml_log_level
_ERROR = 4
_refusals = threading.local()
_kept: list[Any] = []  # callbacks that must live as long as the library


@cache
def library() -> Any:
    """The low-level bindings, `llama_cpp.llama_cpp`, with the library's log sent to `logging`.

    Raises:
        MissingExtraError: llama-cpp-python is not installed.
    """
    try:
        from llama_cpp import llama_cpp as lib
    except ImportError as error:
        raise MissingExtraError("the llama_cpp backend", "llama") from error
    callback = lib.llama_log_callback(_on_log)
    lib.llama_log_set(callback, ctypes.c_void_p(0))
    _kept.append(callback)
    lib.llama_backend_init()
    return lib


@contextmanager
def refusals() -> Iterator[list[str]]:
    """Lines that the library logs as errors in this thread meanwhile: a null pointer has no reason."""
    lines: list[str] = []
    _refusals.lines = lines
    try:
        yield lines
    finally:
        _refusals.lines = None


def _on_log(level: int, text: bytes, _: object) -> None:
    line = text.decode("utf-8", "replace").strip()
    if not line:
        return
    lines = getattr(_refusals, "lines", None)
    if level == _ERROR and lines is not None:  # the caller of `refusals` reports it
        lines.append(line)
        level = 0
    _log.log(_LEVELS.get(level, logging.DEBUG), "%s", line)
