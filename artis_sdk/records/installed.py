"""Whether a file belongs to Python or to an installed package, or to the application."""

from __future__ import annotations

import sysconfig
from functools import cache
from importlib.metadata import Distribution
from pathlib import Path

_FOLDERS = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})


@cache
def is_installed_file(module: str, place: str) -> bool:
    """Whether a module was installed. An editable installation is the application's.

    Args:
        module: its full name.
        place: its file; of a package without one, its folder.
    """
    path = Path(place)
    if any(path.is_relative_to(folder) for folder in _FOLDERS):
        return True
    # In a folder of the user's, or one that `pip install --target` has filled, where the application may
    # stand, too: only what a distribution there says is its own.
    depth = module.count(".") + (path.stem == "__init__")
    if depth >= len(path.parents):
        return False
    return path.relative_to(path.parents[depth]).as_posix() in _brought(path.parents[depth])


@cache
def _brought(folder: Path) -> frozenset[str]:
    """The files that distributions brought into a folder, and the folders in which these are."""
    found = (Distribution.at(metadata) for metadata in folder.glob("*.dist-info"))
    files = [file for one in found for file in one.files or ()]
    return frozenset(place.as_posix() for file in files for place in (file, *file.parents))
