"""Whether a file belongs to Python or to an installed package, or to the application."""

from __future__ import annotations

import sysconfig
from functools import cache
from importlib.metadata import distributions
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
    return depth < len(path.parents) and module.partition(".")[0] in _brought(path.parents[depth])


@cache
def _brought(folder: Path) -> frozenset[str]:
    """The packages and modules at the top of a folder that distributions in it brought."""
    if not any(folder.glob("*.dist-info")):
        return frozenset()
    files = (file for one in distributions(path=[str(folder)]) for file in one.files or ())
    return frozenset(file.parts[0].removesuffix(".py") for file in files)
