"""Checkpoints that are whole or absent, from which a resumed run continues."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from artis_sdk.errors import TrainingError

_MARK: Final = "artis_complete"
_PREFIX: Final = "checkpoint-"


def mark(checkpoint: Path) -> None:
    """Mark a checkpoint as whole on disk."""
    if hasattr(os, "sync"):
        os.sync()
    (checkpoint / _MARK).touch()


def latest(folder: Path) -> Path | None:
    """The newest whole checkpoint; broken ones are removed."""
    found: list[tuple[int, Path]] = []
    for path in folder.glob(f"{_PREFIX}*"):
        if (path / _MARK).exists():
            found.append((int(path.name.removeprefix(_PREFIX)), path))
        else:
            shutil.rmtree(path)
    return max(found)[1] if found else None


@contextmanager
def saving(folder: Path, step: int, resume: str) -> Iterator[None]:
    """Turn a failed write into an error that says from where training can continue.

    Args:
        folder: folder of the checkpoints.
        step: step of the checkpoint.
        resume: advice on how to continue.

    Raises:
        TrainingError: it could not be written, for example because the disk is full.
    """
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        broken = folder / f"{_PREFIX}{step}"
        shutil.rmtree(broken, ignore_errors=True)
        last = latest(folder)
        kept = f"{last.name} is whole" if last else "no earlier one exists"
        raise TrainingError(
            f"checkpoint {step} could not be written to {folder}: {_why(error)}. {kept}: make room, "
            f"then {resume}"
        ) from error


def need_room(folder: Path, needed: int) -> None:
    """Refuse to begin if the disk lacks room for the checkpoints.

    Args:
        folder: folder on the disk.
        needed: needed bytes.

    Raises:
        TrainingError: the disk has less room.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise TrainingError(
            f"{folder} has {free / 2**20:,.1f} MiB free, and training writes about "
            f"{needed / 2**20:,.1f} MiB of checkpoints there: make room, or pass another --out"
        )


def _why(error: BaseException) -> str:
    first = str(error).strip().splitlines()
    return first[0][:200] if first else type(error).__name__
