"""Objects that the source makes, and what it asks about their classes."""

from __future__ import annotations

import ast
import dataclasses
from abc import ABCMeta
from types import FunctionType, MemberDescriptorType
from typing import Any

from artis_sdk.simulators.interpreter.classes import generated, is_one, module_of, of_project, own_method
from artis_sdk.simulators.interpreter.constants import found
from artis_sdk.simulators.interpreter.invoke import Invocations
from artis_sdk.simulators.interpreter.names import CallFrame
from artis_sdk.simulators.interpreter.values import BaseInit, CannotTell, Hole, Method, Record
from artis_sdk.tools.source_checks.static import body_of, is_a, mro_of, name_of, subclass


class Objects(Invocations):
    """Makes objects; see `Interpreter`."""

    # --- objects ----------------------------------------------------------------------------------

    def made(self, cls: type, values: list[Any], named: dict[str, Any]) -> Any:
        """An object of a class, made by its source."""
        error = subclass(cls, BaseException)
        self._check(cls, error=error)
        made = Record(cls, whole=True)
        if error:
            made.fields["args"] = tuple(values)
        init = own_method(cls, "__init__")
        fields = own_method(cls, "__dataclass_fields__")
        if fields is not None and generated(init):
            self._dataclass(made, fields, values, named)
            after = own_method(cls, "__post_init__")
            if after is not None:
                self.call(Method(after, made, True), [], {})
        elif type(init) is FunctionType:
            self.call(Method(init, made, True), values, named)
        elif named or (values and not error):
            raise CannotTell(f"it makes a {name_of(cls)} of arguments")
        return made

    def _check(self, cls: type, *, error: bool) -> None:
        """Refuse a class whose objects code makes that is not read."""
        if module_of(cls) == "builtins" and not error:
            raise CannotTell(f"it makes a {name_of(cls)}")
        if not is_one(type(cls), (type, ABCMeta)) or own_method(cls, "__abstractmethods__"):
            raise CannotTell(f"it makes a {name_of(cls)}, whose class has code of its own")
        made = own_method(cls, "__new__")
        if made is not None and (not error or type(made) is staticmethod):
            raise CannotTell(f"it makes a {name_of(cls)}, whose class has code of its own")
        sets = own_method(cls, "__setattr__")
        if sets is not None and not generated(sets) and not error:
            raise CannotTell(f"it makes a {name_of(cls)}, which has attributes that code sets")
        if not error and not all(
            base is object or self._of_project(base) or module_of(base) in ("abc", "typing")
            for base in mro_of(cls)
        ):
            raise CannotTell(f"it makes a {name_of(cls)}")

    def _of_project(self, cls: type) -> bool:
        return of_project(module_of(cls), self._root.__module__)

    def _dataclass(self, made: Record, fields: Any, values: list[Any], named: dict[str, Any]) -> None:
        kept, only = dataclasses._FIELD, dataclasses._FIELD_INITVAR  # type: ignore[attr-defined]
        takes = [f for f in fields.values() if f.init and f._field_type is kept]
        if any(f._field_type is only for f in fields.values()):
            raise CannotTell(f"{name_of(made.cls)} has fields that only its code sets")
        by_place = [f.name for f in takes if not f.kw_only]
        given = dict(zip(by_place, values, strict=False))
        if len(values) > len(by_place) or named.keys() - {f.name for f in takes} or named.keys() & given:
            raise CannotTell(f"it makes a {name_of(made.cls)} of arguments that do not fit")
        given |= named
        for one in fields.values():
            if one._field_type is not kept:
                continue
            if one.name in given:
                made.fields[one.name] = given[one.name]
            elif one.default is not dataclasses.MISSING:
                if not one.init and type(own_method(made.cls, one.name)) is not MemberDescriptorType:
                    continue  # the class has it
                made.fields[one.name] = found(one.default, f"the default of {one.name}", self.sources)
            elif one.default_factory is not dataclasses.MISSING:
                made.fields[one.name] = self._factory(one, made.cls)
            elif one in takes:
                raise CannotTell(f"it makes a {name_of(made.cls)} without {one.name}")

    def _factory(self, field: Any, cls: type) -> Any:
        factory = field.default_factory
        if is_one(factory, (list, dict, set)):
            return factory()
        if is_a(factory, type) and self._of_project(factory):
            return self.made(factory, [], {})
        return Hole(f"the default of {name_of(cls)}.{field.name}")

    def parent(self, node: ast.Call, frame: CallFrame) -> Any:
        """The method that `super().name` names, for `Expressions`."""
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        code, closure = frame.function.__code__, frame.function.__closure__ or ()
        if "__class__" not in code.co_freevars or frame.outer is not None:
            raise CannotTell("it calls super() outside of a class")
        cls = closure[code.co_freevars.index("__class__")].cell_contents
        on = frame.locals.get(code.co_varnames[0])
        if not isinstance(on, Record):
            raise CannotTell("it calls super() of a class")
        mro = mro_of(on.cls)
        at = next((n for n, base in enumerate(mro) if base is cls), len(mro))
        for base in mro[at + 1 :]:
            static = body_of(base).get(name)
            if type(static) is FunctionType:
                return Method(static, on, True)
            if static is not None:
                break
        if name == "__init__":
            return BaseInit(on)
        raise CannotTell(f"it calls super().{name}")
