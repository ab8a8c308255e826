"""Benchmarks that are no package: their modules, data and constants, from a checkout of the user's."""

from __future__ import annotations

import ast
import importlib
import json
import sys
from pathlib import Path
from typing import Any

from artis_sdk.errors import ConfigurationError


def checkout(folder: Path | None, world: str, url: str) -> Path:
    """The folder of a checkout.

    Raises:
        ConfigurationError: none is given, or there is none.
    """
    if folder is None or not folder.is_dir():
        missing = "none is given" if folder is None else f"there is no folder {folder}"
        raise ConfigurationError(
            f"{world} needs a checkout, and {missing}: git clone {url}, and pass its folder with --path"
        )
    return folder.resolve()


def module(root: Path | None, name: str, install: str) -> Any:
    """A module of a checkout.

    Args:
        root: folder in which the module's first package is; None for an installed one.
        name: whole name of the module.
        install: what installs what is missing.

    Raises:
        ConfigurationError: there is no such module, or a package that it needs is missing.
    """
    path = [] if root is None else [str(root)]
    sys.path[:0] = path
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        where = "" if root is None else f", wanted by {root}"
        raise ConfigurationError(f"there is no module {error.name}{where}: {install}") from error
    finally:
        for one in path:
            sys.path.remove(one)


def literal(path: Path, name: str) -> Any:
    """The value of a constant in a source file, which is not run.

    Raises:
        ConfigurationError: the file or the constant is not there.
    """
    for node in ast.parse(text(path)).body:
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == name for target in node.targets
        ):
            return ast.literal_eval(node.value)
    raise ConfigurationError(f"{path} has no {name}: is it the right checkout?")


def json_rows(path: Path) -> list[dict[str, Any]]:
    """The objects of a file with one a line.

    Raises:
        ConfigurationError: the file is not there.
    """
    return [json.loads(line) for line in text(path).split("\n") if line.strip()]


def text(path: Path) -> str:
    """The text of a file.

    Raises:
        ConfigurationError: the file is not there.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigurationError(f"there is no {path}: is it the right checkout?") from error
