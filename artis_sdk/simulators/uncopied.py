"""Parts that `copy.deepcopy` cannot copy and that a fork can do without: each attempt gets them anew, or they
are shared because nothing of an attempt stays in them."""

from __future__ import annotations

import asyncio
import copy
import gc
import sys
import threading
from collections.abc import Iterable
from concurrent.futures import Executor
from types import MappingProxyType, ModuleType
from typing import Any

from artis_sdk.simulators.forks.making import Making
from artis_sdk.simulators.forks.sessions import rebound_parts
from artis_sdk.simulators.libraries import is_installed, module_of_class

_LOCK, _RLOCK = type(threading.Lock()), type(threading.RLock())
_SHARED = (Executor, asyncio.AbstractEventLoop)
"""What runs an attempt's code in the attempt's context; an application's own may hold anything."""


def provide(parts: Iterable[Any], making: Making) -> None:
    """Put stand-ins for such parts into the memo of `copy.deepcopy`.

    Args:
        parts: objects of the original.
        making: record of what is made for the fork.
    """
    found = list(parts)
    for module in gc.get_referents(*found):
        if issubclass(type(module), ModuleType):
            making.memo[id(module)] = module
    for part in found:
        kind = type(part)
        if id(part) in making.memo:
            continue
        if kind is _LOCK:
            making.memo[id(part)] = threading.Lock()
        elif kind is _RLOCK:
            making.memo[id(part)] = threading.RLock()
        elif kind is threading.local:
            making.memo[id(part)] = threading.local()
        elif _is_shared(kind):
            making.memo[id(part)] = part
            making.vouched.append(part)
    if "sqlalchemy.orm" in sys.modules:
        rebound_parts(found, making)
    for part in found:  # last, as what is in them may be any of the others
        if type(part) is MappingProxyType:
            making.memo[id(part)] = MappingProxyType(copy.deepcopy(dict(part), making.memo))


def _is_shared(kind: type) -> bool:
    module = module_of_class(kind)
    return (issubclass(kind, _SHARED) and is_installed(module)) or f"{module}.".startswith("loguru.")
