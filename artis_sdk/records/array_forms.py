"""NumPy's, pandas' and torch's values as plain Python. None is imported: a value implies its library."""

from __future__ import annotations

import sys
from typing import Any


def array_form(value: Any, kind: type) -> Any:
    """A NumPy array as lists, a scalar as a Python one; any other value unchanged."""
    numpy: Any = sys.modules["numpy"]
    if issubclass(kind, numpy.ndarray):
        return _of_array(value, kind, numpy)
    return _of_scalar(value, kind, numpy) if issubclass(kind, numpy.generic) else value


def _of_array(value: Any, kind: type, numpy: Any) -> Any:
    if issubclass(kind, numpy.ma.MaskedArray):
        return value.tolist()  # None if masked
    array = numpy.ndarray.view(value, numpy.ndarray)  # rows of a matrix would be matrices
    if array.dtype.kind in "bOSU" or (array.dtype.kind in "iuf" and array.dtype.itemsize <= 8):
        return array.tolist()
    return list(array) if array.ndim else array[()]


def _of_scalar(value: Any, kind: type, numpy: Any) -> Any:
    if issubclass(kind, numpy.bool_):
        return bool(value)
    if issubclass(kind, numpy.datetime64 | numpy.timedelta64):
        return None if numpy.isnat(value) else str(value)
    if issubclass(kind, numpy.integer):
        return int(value)
    if issubclass(kind, numpy.floating):
        number = float(value)
        return number if number == value or number != number else str(value)  # a long double may not fit
    if issubclass(kind, numpy.complexfloating):
        return complex(value)
    if issubclass(kind, numpy.void):
        names = value.dtype.names
        return value.tobytes() if names is None else {name: value[name] for name in names}
    item = value.item()
    return float(value) if type(item) is kind else item


def table_form(value: Any, kind: type) -> Any:
    """A pandas table or column with its labels, a time or a missing value; any other value unchanged."""
    pandas: Any = sys.modules["pandas"]
    if value is pandas.NA or value is pandas.NaT:
        return None
    if issubclass(kind, pandas.DataFrame):
        columns = [value.iloc[:, n].tolist() for n in range(value.shape[1])]
        data = list(map(list, zip(*columns, strict=True))) if columns else [[] for _ in range(len(value))]
        return {"columns": value.columns.tolist(), "index": value.index.tolist(), "data": data}
    if issubclass(kind, pandas.Series):
        return {"name": value.name, "index": value.index.tolist(), "data": value.tolist()}
    if issubclass(kind, pandas.Index | pandas.api.extensions.ExtensionArray):
        return value.tolist()
    if issubclass(kind, pandas.Timestamp | pandas.Timedelta):
        return value.isoformat()  # to the nanosecond
    return str(value) if issubclass(kind, pandas.Period | pandas.Interval) else value


def tensor_form(value: Any, kind: type) -> Any:
    """A torch tensor as lists; any other value unchanged."""
    torch: Any = sys.modules["torch"]
    return value.tolist() if issubclass(kind, torch.Tensor) else value
