"""Makes plain data of the objects of well-known libraries.

A library is recognised by what is loaded already; nothing is imported here.
Those of frameworks are in `adapters`.
Handlers have the form of those in `plain.py`.
"""

import sys


def handler(kind):
    """Return the handler for a library's class, or None."""
    for module, names, found in _TABLE:
        loaded = sys.modules.get(module)
        if loaded is None:
            continue
        for name in names:
            base = getattr(loaded, name, None)
            if isinstance(base, type) and issubclass(kind, base):
                return found
    return None


def _model(walk, value, path):
    """A pydantic v2 model, as its author dumps it."""
    try:
        fields = value.model_dump(mode="json")
    except (TypeError, ValueError, RecursionError):  # holds what pydantic doesn't know
        fields = {name: getattr(value, name) for name in type(value).model_fields}
        fields.update(value.__pydantic_extra__ or {})
    return walk.plain(fields, path)


def _model_v1(walk, value, path):
    """A pydantic v1 model, with its json_encoders."""
    import json

    try:
        fields = json.loads(value.json())
    except (TypeError, ValueError, RecursionError):
        fields = {name: getattr(value, name) for name in value.__fields__}
    return walk.plain(fields, path)


def _base_model(walk, value, path):
    """A class named pydantic.BaseModel, of either version."""
    if hasattr(value, "model_dump"):
        return _model(walk, value, path)
    return _model_v1(walk, value, path)


def _numpy_scalar(walk, value, path):
    return walk.plain(_numpy_item(value, value.tolist()), path)


def _numpy_item(value, item):
    if type(item) is type(value):  # a longdouble: tolist leaves it as it is
        return float(item)
    return item


def _numpy_array(walk, value, path):
    if value.dtype.kind in "mM":
        times = value.astype(str).astype(object)
        return sys.modules["numpy"].where(value == value, times, None).tolist()
    if value.dtype.kind in "biu":
        return value.tolist()
    if value.dtype.kind == "f" and value.dtype.itemsize <= 8:
        if sys.modules["numpy"].isfinite(value).all():
            return value.tolist()
    return walk.plain(value.tolist(), path)


def _numpy_time(walk, value, path):
    return None if str(value) == "NaT" else str(value)


def _frame(walk, value, path):
    names = [name if isinstance(name, str) else walk.key(name, path) for name in value.columns]
    columns = [_column(value.iloc[:, at]) for at in range(len(names))]
    return walk.items((dict(zip(names, row)) for row in zip(*columns)), path)


def _series(walk, value, path):
    items = _column(value)
    if value.index.dtype.kind in "iu":
        return walk.items(items, path)
    return walk.pairs(zip(value.index.tolist(), items), path)


def _index(walk, value, path):
    return walk.items(_column(value), path)


def _column(column):
    """The items of a pandas column, with None for what is missing."""
    missing = column.isna()
    return [None if gone else item for item, gone in zip(column.tolist(), missing.tolist())]


def _missing(walk, value, path):
    return None


def _timestamp(walk, value, path):
    return walk.plain(value.to_pydatetime(warn=False), path) if value == value else None


def _timedelta(walk, value, path):
    return walk.plain(value.to_pytimedelta(), path) if value == value else None


def _period(walk, value, path):
    return str(value)


def _tensor(walk, value, path):
    return walk.plain(value.tolist(), path)


def _polars_frame(walk, value, path):
    return walk.items(value.iter_rows(named=True), path)


def _polars_series(walk, value, path):
    return walk.items(value.to_list(), path)


_TABLE = (
    ("pydantic", ("BaseModel",), _base_model),
    ("pydantic.v1", ("BaseModel",), _model_v1),
    ("numpy", ("ndarray",), _numpy_array),
    ("numpy", ("datetime64", "timedelta64"), _numpy_time),
    ("numpy", ("generic",), _numpy_scalar),
    ("pandas", ("DataFrame",), _frame),
    ("pandas", ("Series",), _series),
    ("pandas", ("Index",), _index),
    ("pandas._libs.tslibs.nattype", ("NaTType",), _missing),
    ("pandas._libs.missing", ("NAType",), _missing),
    ("pandas", ("Timestamp",), _timestamp),
    ("pandas", ("Timedelta",), _timedelta),
    ("pandas", ("Period", "Interval"), _period),
    ("torch", ("Tensor",), _tensor),
    ("polars", ("DataFrame",), _polars_frame),
    ("polars", ("Series",), _polars_series),
)

# Those that hold nothing, so that they can be keys.
SCALARS = frozenset((_numpy_scalar, _numpy_time, _timestamp, _timedelta, _period))
