"""Safetensors to numpy, one tensor at a time, without torch, for writing GGUF files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from artis_sdk.errors import ConfigurationError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# https://huggingface.co/docs/safetensors: the dtype names of a file's header.
DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}


@dataclass(frozen=True)
class StoredTensor:
    """Position of a tensor in a file."""

    path: Path
    offset: int
    """Offset in bytes from the beginning of the file."""
    shape: tuple[int, ...]
    dtype: str

    def load(self) -> NDArray[np.float32]:
        """The tensor as float32; bfloat16 is the upper half of a float32."""
        import numpy as np

        count = 1
        for size in self.shape:
            count *= size
        stored = np.fromfile(self.path, dtype=DTYPES[self.dtype], count=count, offset=self.offset)
        if self.dtype == "BF16":
            stored = (stored.astype(np.uint32) << 16).view(np.float32)
        return stored.astype(np.float32, copy=False).reshape(self.shape)


def stored_tensors(folder: Path, stem: str) -> dict[str, StoredTensor]:
    """All tensors of `stem.safetensors`, or of the shards that its index names.

    Raises:
        ConfigurationError: the file is missing, or is not a safetensors file with float weights.
    """
    index = folder / f"{stem}.safetensors.index.json"
    if index.is_file():
        names = sorted(set(json.loads(index.read_text())["weight_map"].values()))
    else:
        names = [f"{stem}.safetensors"]
    found: dict[str, StoredTensor] = {}
    for name in names:
        found.update(_read_header(folder / name))
    return found


def _read_header(path: Path) -> Iterator[tuple[str, StoredTensor]]:
    if not path.is_file():
        raise ConfigurationError(f"{path} does not exist: a folder with safetensors weights is needed")
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if size > path.stat().st_size:
            raise ConfigurationError(f"{path} is not a complete safetensors file")
        header: dict[str, Any] = json.loads(file.read(size))
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        if entry["dtype"] not in DTYPES:
            raise ConfigurationError(f"{path}: {name} is {entry['dtype']}; only float weights are converted")
        offset = 8 + size + entry["data_offsets"][0]
        yield name, StoredTensor(path, offset, tuple(entry["shape"]), entry["dtype"])
