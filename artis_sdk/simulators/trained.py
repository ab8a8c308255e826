"""`artis_simulator.json`: the prompt form beside a trained adapter, the one that it was trained with."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from typing import Final, Self

from pydantic import BaseModel

from artis_sdk.prompts import Prompts
from artis_sdk.records.calls import FROZEN
from artis_sdk.simulators.form import PromptForm
from artis_sdk.simulators.saved import read_saved

FILE: Final = "artis_simulator.json"
_WEIGHTS: Final = ("adapter_model.safetensors", "adapter.gguf", "model.safetensors")
_PIECE: Final = 1 << 20  # bytes of a file in memory


class Trained(BaseModel):
    """The form and the templates of a trained simulator's prompt."""

    model_config = FROZEN

    base: str
    """Path or hub id of the model that the adapter belongs to."""
    form: PromptForm
    templates: dict[str, str]
    """Text of `simulator_system` and `simulator_user`."""

    @property
    def prompts(self) -> Prompts:
        return Prompts(self.templates)

    def write(self, folder: Path) -> None:
        """Write it into an adapter's folder."""
        (folder / FILE).write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: str | os.PathLike[str]) -> Self:
        """Read it from an adapter's folder.

        Raises:
            ConfigurationError: the file is missing or cannot be read.
        """
        path = Path(folder) / FILE
        advice = "pass a folder that `artis train simulator` wrote"
        return read_saved(cls, path, what="a prompt form", advice=advice)


def adapter_digest(folder: str | os.PathLike[str]) -> str | None:
    """`sha256:` of the weights in an adapter's or a merged model's folder; None for one without weights."""
    named = (path for name in _WEIGHTS if (path := Path(folder) / name).is_file())
    parts = sorted(Path(folder).glob("*.safetensors")) or sorted(Path(folder).glob("*.bin"))
    first = next(named, None)
    files = [first] if first is not None else parts
    return weights_digest(*files) if files else None


def weights_digest(*files: Path) -> str:
    """`sha256:` of the contents of files, one after the other."""
    found = sha256()
    for path in files:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                found.update(piece)
    return f"sha256:{found.hexdigest()}"
