"""A model's name: a file here, or one in a hub's repository."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from artis_sdk.errors import ConfigurationError, MissingExtraError

_HUB_FILE = re.compile(r"([\w-][\w.-]*/[\w.-]+)/(.+\.gguf)")


@dataclass(frozen=True, slots=True)
class HubFile:
    """A GGUF file in a repository; its name may hold wildcards."""

    repository: str
    file: str

    def download(self, name: str) -> Path:
        """Fetch it by llama-cpp-python's own downloader, unless it has been fetched before.

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
    """A path where there is such a file or folder, else a hub's file `owner/repository/file.gguf`."""
    path = Path(name).expanduser()
    hub = _HUB_FILE.fullmatch(name)
    if hub is None or path.is_file() or Path(path.parts[0]).is_dir():
        return path
    return HubFile(hub[1], hub[2])
