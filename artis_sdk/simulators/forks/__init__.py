"""Forks for the things that services hold: files, databases, connections, large trees.

`Toolset.from_object(service, fork=forks.of(path=forks.sqlite, uploads=forks.folder))` gives each attempt
a copy of the service with a database and a folder of its own; a `__fork__` method on the class does the
same. Everything that a fork made is removed when the attempt is over.
"""

from artis_sdk.simulators.forks.attributes import of
from artis_sdk.simulators.forks.engine import engine
from artis_sdk.simulators.forks.files import folder, sqlite
from artis_sdk.simulators.forks.lazy import copy_on_write
from artis_sdk.simulators.forks.making import allow, temporary_folder

__all__ = ["allow", "copy_on_write", "engine", "folder", "of", "sqlite", "temporary_folder"]
