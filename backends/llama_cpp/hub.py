"""A model's name: a local file, or a file in a hub repository."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from artis_sdk.errors import ConfigurationError, MissingExtraError

_HUB_FILE = re.compile(r"([\w-][\w.-]*/[\w.-]+)/(.+\.gguf)")


@dataclass(frozen=True, slots=True)
class HubFile:
    """A GGUF file in a hub repository; its name may contain wildcards."""

    repository: str
    file: str

    def download(self, name: str) -> Path:
        """Fetch the file by llama-cpp-python's own downloader, which caches it.

        Raises:
            ConfigurationError: the hub cannot be reached or has no such file.
        """
        try:
            from llama_cpp import Llama
        except ImportError as error:
            raise MissingExtraError("the llama_cpp backend", "llama") from error
        try:
            loaded = Llama.from_pretrained(self.repository, self.file, vocab_only=True, verbose=False)
        except (OSError, ValueError, ImportError, RuntimeError) as error:
            raise ConfigurationError(f"{name} cannot be fetched: {error}") from error
        path = Path(loaded.model_path)
        loaded.close()
        return path


def find_model(name: str) -> Path | HubFile:
    """A path if such a file or folder exists, else the hub file of `owner/repository/file.gguf`."""
    path = Path(name).expanduser()
    hub = _HUB_FILE.fullmatch(name)
    if hub is None or path.is_file() or Path(path.parts[0]).is_dir():
        return path
    return HubFile(hub[1], hub[2])
