"""Exceptions of the interpreted code, made of their classes without running the classes' code."""

from __future__ import annotations

from artis_sdk.simulators.interpreter.classes import is_one, module_of, own_method, static_of
from artis_sdk.simulators.interpreter.lowered import lowered
from artis_sdk.simulators.interpreter.texts import printable
from artis_sdk.simulators.interpreter.values import CannotTell, Thrown, plain
from artis_sdk.tools.source_checks.static import body_of, mro_of, name_of, subclass

_DECIDING = ("__getattribute__", "__getattr__", "__setattr__", "__del__", "__init_subclass__")


def made_error(thrown: Thrown) -> BaseException:
    """The exception.

    Raises:
        CannotTell: its class has code that makes its text, or it holds what is not known.
    """
    cls = thrown.cls
    if not subclass(cls, Exception):
        raise CannotTell(f"it raises {name_of(cls)}, which ends more than a call")
    if type(cls) is not type:
        raise CannotTell(f"it raises {name_of(cls)}, whose class has a metaclass")
    if any(own_method(cls, name) is not None for name in _DECIDING):
        raise CannotTell(f"it raises {name_of(cls)}, whose text its own code makes")
    for name in ("__str__", "__repr__", "__class__", "args", "message"):
        owner = next((b for b in mro_of(cls) if name in body_of(b)), object)
        if module_of(owner) != "builtins" and not (name == "message" and plain(body_of(owner)[name])):
            raise CannotTell(f"it raises {name_of(cls)}, whose text its own code makes")
    made = static_of(cls, "__new__")
    if type(made) is staticmethod:
        raise CannotTell(f"it raises {name_of(cls)}, which its own code makes")
    printable(thrown.values)
    base = next(b for b in mro_of(cls) if "__new__" in body_of(b))
    init = next(b for b in mro_of(cls) if "__init__" in body_of(b))
    writes = next(b for b in mro_of(cls) if "__str__" in body_of(b))
    plain_init = module_of(init) == "builtins"
    if module_of(base) != "builtins" or not (plain_init or is_one(writes, (BaseException, KeyError))):
        raise CannotTell(f"it raises {name_of(cls)}, which its own code makes")
    try:
        error: BaseException = base.__new__(cls, *thrown.values)
        error.args = thrown.values
        if plain_init:
            init.__init__(error, *thrown.values)  # type: ignore[misc]
    except (TypeError, ValueError):
        raise CannotTell(f"it raises {name_of(cls)} with arguments that it does not take") from None
    held = object.__getattribute__(error, "__dict__")
    for name, item in thrown.fields.items():
        held[name] = lowered(item)
    return error
