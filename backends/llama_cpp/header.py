"""The metadata of a GGUF file, read without loading the model."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from artis_sdk.errors import ConfigurationError
from artis_sdk.records import Sampling

# https://github.com/ggml-org/ggml/blob/master/docs/gguf.md: number of a value's type -> struct format.
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_VERSIONS = (2, 3)
_ALIGNMENT = 32  # bytes, GGUF's default

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Header:
    """The metadata needed before a model is loaded."""

    architecture: str
    context_length: int | None
    """The model's training length in tokens."""
    chat_template: str | None
    tool_template: str | None
    """The template for requests with tools, if it is another one."""
    kind: str
    """`model` or `adapter`."""
    sampling: Sampling
    """The model card's sampling, as far as the file has it (`general.sampling.*`)."""


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """A tensor's place in a file."""

    name: str
    shape: tuple[int, ...]
    """Sizes in numpy's order, rows first."""
    type: int
    """ggml's type number: 0 for float32, 1 for float16."""
    offset: int
    """Bytes from the start of the file."""


def read_header(path: Path) -> Header:
    """Read a file's metadata; arrays are skipped.

    Raises:
        ConfigurationError: no such file, or it is not a whole GGUF file.
    """
    values = _read(path, _Reader.metadata)
    architecture = values.get("general.architecture")
    if not isinstance(architecture, str):
        raise ConfigurationError(
            f"{path} is a GGUF file without general.architecture; convert the model again"
        )
    length = values.get(f"{architecture}.context_length")
    template = values.get("tokenizer.chat_template")
    with_tools = values.get("tokenizer.chat_template.tool_use")
    return Header(
        architecture=architecture,
        context_length=length if isinstance(length, int) else None,
        chat_template=template if isinstance(template, str) else None,
        tool_template=with_tools if isinstance(with_tools, str) else None,
        kind=str(values.get("general.type", "model")),
        sampling=_sampling(path, values),
    )


def _sampling(path: Path, values: dict[str, Any]) -> Sampling:
    names = {"temperature": "general.sampling.temp", "top_p": "general.sampling.top_p"}
    try:
        return Sampling.model_validate({field: values.get(name) for field, name in names.items()})
    except ValidationError as error:
        raise ConfigurationError(f"{path}: general.sampling holds no usable numbers: {error}") from error


def read_tensors(path: Path) -> list[TensorInfo]:
    """Read a file's table of tensors, in the order of the file.

    Raises:
        ConfigurationError: no such file, or it is not a whole GGUF file.
    """
    return _read(path, _Reader.tensors)


def _read(path: Path, what: Callable[[_Reader], T]) -> T:
    if not path.is_file():
        raise ConfigurationError(f"{path} does not exist")
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return what(_Reader(data))
    except (ValueError, struct.error, KeyError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{path} is not a complete GGUF file ({error}); download or convert it again"
        ) from error


class _Reader:
    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._at = 0  # bytes
        self._tensors = 0

    def metadata(self) -> dict[str, Any]:
        if self._data[:4] != b"GGUF":
            raise ValueError("it does not begin with GGUF")
        self._at = 4
        version = self._take("I")
        if version not in _VERSIONS:
            raise ValueError(f"version {version}")
        self._tensors = self._take("Q")
        count = self._take("Q")
        return {self._string(): self._value(self._take("I")) for _ in range(count)}

    def tensors(self) -> list[TensorInfo]:
        alignment = self.metadata().get("general.alignment", _ALIGNMENT)
        infos = [self._info() for _ in range(self._tensors)]
        begin = -(-self._at // alignment) * alignment
        return [replace(info, offset=begin + info.offset) for info in infos]

    def _info(self) -> TensorInfo:
        name = self._string()
        sizes = [self._take("Q") for _ in range(self._take("I"))]
        return TensorInfo(name, tuple(reversed(sizes)), self._take("I"), self._take("Q"))

    def _take(self, form: str) -> Any:
        (value,) = struct.unpack_from(f"<{form}", self._data, self._at)
        self._at += struct.calcsize(form)
        return value

    def _string(self) -> str:
        size = self._take("Q")
        text = self._data[self._at : self._at + size]
        if len(text) != size:
            raise ValueError("a text is truncated")
        self._at += size
        return text.decode()

    def _value(self, kind: int) -> Any:
        if kind == _STRING:
            return self._string()
        if kind != _ARRAY:
            return self._take(_SCALARS[kind])
        kind, count = self._take("I"), self._take("Q")
        if kind == _STRING:
            self._skip_strings(count)
        elif kind == _ARRAY:
            for _ in range(count):
                self._value(_ARRAY)
        else:
            self._at += count * struct.calcsize(_SCALARS[kind])
        return None

    def _skip_strings(self, count: int) -> None:
        unpack, data, at = struct.Struct("<Q").unpack_from, self._data, self._at
        for _ in range(count):  # a vocabulary has hundreds of thousands
            at += 8 + unpack(data, at)[0]
        self._at = at
