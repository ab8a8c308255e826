"""A new run's folder before its first step: nothing is left of a run that fails there."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def kept_from_the_first_step(out: Path, *, new: bool) -> Iterator[Callable[[], None]]:
    """Gives a function to call when training begins; if a new run fails before, its folder is emptied.

    Otherwise the folder would hold a run with the settings that failed, and take no other. An interrupted
    run (Ctrl-C, a signal) is kept: what it prepared is resumed.

    Args:
        out: the run's folder, which was empty before this run.
        new: whether this process has begun the run, and does not resume it.
    """
    begun = False

    def begins() -> None:
        nonlocal begun
        begun = True

    try:
        yield begins
    except Exception:
        if new and not begun:
            for path in out.iterdir():
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink()
        raise
