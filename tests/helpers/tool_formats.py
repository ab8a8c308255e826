"""Parameters of tests on every format of tool calls."""

from __future__ import annotations

from typing import Any

import pytest

from artis_sdk.backends.tool_formats import FORMATS, ToolCallFormat
from artis_sdk.backends.tool_formats.hermes import CLOSE
from artis_sdk.backends.tool_formats.marked import MarkedFormat
from artis_sdk.backends.tool_formats.mistral import ARGUMENTS as ARGS
from artis_sdk.records import ToolCall

MARKS = (*(mark for format in FORMATS for mark in format.marks), CLOSE, ARGS, "<think>", "</think>")


def write(format: ToolCallFormat, calls: list[tuple[str, dict[str, Any]]]) -> str:
    """Calls as a well-behaved model writes them."""
    return format.write([ToolCall(tool=name, arguments=arguments) for name, arguments in calls])


def named(format: ToolCallFormat) -> str:
    return format.name if isinstance(format, MarkedFormat) else type(format).__name__


every_format = pytest.mark.parametrize("format", FORMATS, ids=named)
