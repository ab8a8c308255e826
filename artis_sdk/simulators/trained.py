"""`artis_simulator.json`: the prompt form beside a trained adapter, the one that it was trained with."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, Self

from pydantic import BaseModel, ValidationError

from artis_sdk.errors import ConfigurationError
from artis_sdk.prompts import Prompts
from artis_sdk.records.calls import FROZEN
from artis_sdk.simulators.form import PromptForm

FILE: Final = "artis_simulator.json"


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
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise ConfigurationError(
                f"{path} cannot be read ({error.strerror}): pass a folder that artis train simulator wrote"
            ) from error
        except ValidationError as error:
            raise ConfigurationError(f"{path} is damaged: {error.errors()[0]['msg']}") from error
