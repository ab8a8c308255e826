"""A folder that is written whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from artis_sdk.errors import TrainingError


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Gives an empty folder beside `target`, which takes its place at the end of the block.

    Args:
        target: the folder, a part of a run that keeps checkpoints; what is there is replaced.

    Raises:
        TrainingError: it cannot be written; `target` is as it was.
    """
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir()
        yield partial
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise TrainingError(
            f"{target} cannot be written: {error.strerror}; the checkpoints are kept: make room, then run "
            "the same command with --resume"
        ) from error
