"""Objects that the source makes, and what it asks about their classes."""

from __future__ import annotations

import ast
import dataclasses
from datetime import timedelta
from types import FunctionType
from typing import Any

from artis_sdk.simulators.interpreter import operators
from artis_sdk.simulators.interpreter.invoke import Invocations, SetArgs, of_project
from artis_sdk.simulators.interpreter.names import CallFrame
from artis_sdk.simulators.interpreter.values import (
    CannotTell,
    Hole,
    Method,
    Record,
    body_of,
    mro_of,
    name_of,
    own_method,
    plain,
)


class Objects(Invocations):
    """Makes objects; see `Interpreter`."""

    # --- objects ----------------------------------------------------------------------------------

    def made(self, cls: type, values: list[Any], named: dict[str, Any]) -> Any:
        """An object of a class, made by its source."""
        if cls is timedelta:
            return operators.attempt(timedelta, *values, **named)
        if str(body_of(cls).get("__module__", "builtins")) == "builtins" and not issubclass(
            cls, BaseException
        ):
            raise CannotTell(f"it makes a {name_of(cls)}")
        if type(cls) is not type or (
            own_method(cls, "__new__") is not None and not issubclass(cls, BaseException)
        ):
            raise CannotTell(f"it makes a {name_of(cls)}, whose class has code of its own")
        if own_method(cls, "__setattr__") is not None and own_method(cls, "__dataclass_fields__") is None:
            raise CannotTell(f"it makes a {name_of(cls)}, which has attributes that code sets")
        if not issubclass(cls, BaseException) and not of_project(cls, self._root):
            raise CannotTell(f"it makes a {name_of(cls)}")
        made = Record(cls, whole=True)
        if issubclass(cls, BaseException):
            made.fields["args"] = tuple(values)
        init = own_method(cls, "__init__")
        fields = own_method(cls, "__dataclass_fields__")
        if fields is not None and init is not None and init.__code__.co_filename.startswith("<string>"):
            self._dataclass(made, fields, values, named)
            after = own_method(cls, "__post_init__")
            if after is not None:
                self.call(Method(after, made, True), [], {})
        elif isinstance(init, FunctionType):
            self.call(Method(init, made, True), values, named)
        elif (values or named) and not issubclass(cls, BaseException):
            raise CannotTell(f"it makes a {name_of(cls)} of arguments")
        return made

    def _dataclass(self, made: Record, fields: Any, values: list[Any], named: dict[str, Any]) -> None:
        takes = [f for f in fields.values() if f.init and f._field_type is dataclasses._FIELD]  # type: ignore[attr-defined]
        if any(f._field_type is dataclasses._FIELD_INITVAR for f in fields.values()):  # type: ignore[attr-defined]
            raise CannotTell(f"{name_of(made.cls)} has fields that only its code sets")
        given = dict(zip([f.name for f in takes if not f.kw_only], values, strict=False)) | named
        for one in fields.values():
            if one.name in given and one in takes:
                made.fields[one.name] = given[one.name]
            elif one.default is not dataclasses.MISSING and plain(one.default):
                made.fields[one.name] = one.default
            elif one.default_factory in (list, dict, set):
                made.fields[one.name] = one.default_factory()
            elif one in takes:
                made.fields[one.name] = Hole(f"the default of {name_of(made.cls)}.{one.name}")

    def parent(self, node: ast.Call, frame: CallFrame) -> Any:
        """The method that `super().name` names, for `Expressions`."""
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        code, closure = frame.function.__code__, frame.function.__closure__ or ()
        if "__class__" not in code.co_freevars:
            raise CannotTell("it calls super() outside of a class")
        cls = closure[code.co_freevars.index("__class__")].cell_contents
        on = frame.locals.get(code.co_varnames[0])
        if not isinstance(on, Record):
            raise CannotTell("it calls super() of a class")
        mro = mro_of(on.cls)
        for base in mro[mro.index(cls) + 1 :]:
            static = body_of(base).get(name)
            if isinstance(static, FunctionType):
                return Method(static, on, True)
            if static is not None:
                break
        if name == "__init__":
            return SetArgs(on)
        raise CannotTell(f"it calls super().{name}")
