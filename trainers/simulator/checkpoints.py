"""Checkpoints that are whole or not there: what a resumed run may begin from."""

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
    """Say that all of a checkpoint is on disk."""
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
    """Turn what breaks a checkpoint into an error that says where training can go on.

    Args:
        folder: of the checkpoints.
        step: the one being saved.
        resume: how to go on.

    Raises:
        TrainingError: it could not be written, because the disk is full or the like.
    """
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        broken = folder / f"{_PREFIX}{step}"
        shutil.rmtree(broken, ignore_errors=True)
        last = latest(folder)
        kept = f"{last.name} is whole" if last else "there is no earlier one"
        raise TrainingError(
            f"checkpoint {step} could not be written to {folder}: {_why(error)}. {kept}: make room, "
            f"then {resume}"
        ) from error


def need_room(folder: Path, needed: int) -> None:
    """Refuse to begin where the disk will not hold what training writes.

    Args:
        folder: on the disk.
        needed: bytes.

    Raises:
        TrainingError: there is less.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise TrainingError(
            f"{folder} has {free / 2**20:,.1f} MiB free, and training writes about "
            f"{needed / 2**20:,.1f} MiB of checkpoints there: make room, or give another --out"
        )


def _why(error: BaseException) -> str:
    first = str(error).strip().splitlines()
    return first[0][:200] if first else type(error).__name__
