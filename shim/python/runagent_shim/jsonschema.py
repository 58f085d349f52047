"""JSON Schemas (draft 2020-12) of Python annotations."""

import collections
import collections.abc
import dataclasses
import datetime
import decimal
import enum
import pathlib
import typing
import uuid

from . import adapters, docstring, foreign, hints

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_of(hint, defs):
    """Return the schema of an annotation; named classes go into defs."""
    hint, extras = hints.strip(hint)
    found = adapters.schema(hint)
    if found is not None:
        return found
    if extras and foreign.has_rules(extras):
        found = foreign.schema(hint, extras, defs)
        if found is not None:
            return found
    found = _bare(hint, defs)
    text = next((extra for extra in extras if isinstance(extra, str)), None)
    text = text or next((extra.documentation for extra in extras if _is_doc(extra)), None)
    return dict(found, description=text) if text else found


def _is_doc(extra):
    return type(extra).__name__ == "Doc" and isinstance(getattr(extra, "documentation", None), str)


def plain_default(value):
    """Return (True, default) where a default can stand in a schema."""
    if isinstance(value, enum.Enum):
        value = value.value
    if isinstance(value, (list, tuple)):
        parts = [plain_default(item) for item in value]
        return all(ok for ok, _ in parts), [item for _, item in parts]
    if type(value) is dict:
        parts = {key: plain_default(item) for key, item in value.items()}
        ok = all(ok for ok, _ in parts.values()) and all(type(key) is str for key in parts)
        return ok, {key: item for key, (_, item) in parts.items()}
    if type(value) is float:
        return value - value == 0.0, value
    return value is None or type(value) in (str, int, bool), value


def add_default(schema, value):
    """Add a default to a schema if JSON can say it."""
    ok, plain = plain_default(value)
    if ok:
        schema["default"] = plain


_SIMPLE = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    list: {"type": "array"},
    tuple: {"type": "array"},
    dict: {"type": "object"},
    set: {"type": "array", "uniqueItems": True},
    frozenset: {"type": "array", "uniqueItems": True},
    bytes: {"type": "string", "contentEncoding": "base64"},
    datetime.datetime: {"type": "string", "format": "date-time"},
    datetime.date: {"type": "string", "format": "date"},
    datetime.time: {"type": "string", "format": "time"},
    datetime.timedelta: {"type": "string", "format": "duration"},
    decimal.Decimal: {"type": ["string", "number"]},
    uuid.UUID: {"type": "string", "format": "uuid"},
    pathlib.Path: {"type": "string", "format": "path"},
}

_LISTS = (
    list,
    tuple,
    set,
    frozenset,
    collections.deque,
    collections.abc.Sequence,
    collections.abc.MutableSequence,
    collections.abc.Iterable,
    collections.abc.Collection,
    collections.abc.Set,
)

_STREAMS = (
    collections.abc.Iterator,
    collections.abc.Generator,
    collections.abc.AsyncIterator,
    collections.abc.AsyncIterable,
    collections.abc.AsyncGenerator,
)


def _bare(hint, defs):
    if hint is None:
        hint = type(None)
    try:
        if hint in _SIMPLE:
            return dict(_SIMPLE[hint])
    except TypeError:  # not hashable
        return {}
    if hints.is_union(hint):
        return _union([schema_of(part, defs) for part in typing.get_args(hint)])
    origin = typing.get_origin(hint)
    if origin is typing.Literal:
        return _constants(typing.get_args(hint))
    if origin is not None:
        return _generic(origin, typing.get_args(hint), defs)
    if isinstance(hint, type):
        return _class(hint, defs)
    return {}


def _union(parts):
    if any(not part for part in parts):
        return {}
    if all(set(part) == {"type"} and isinstance(part["type"], str) for part in parts):
        kinds = list(dict.fromkeys(part["type"] for part in parts))
        return {"type": kinds if len(kinds) > 1 else kinds[0]}
    return {"anyOf": parts}


def _constants(values):
    values = [value.value if isinstance(value, enum.Enum) else value for value in values]
    values = [value for value in values if plain_default(value)[0]]
    kinds = {_SIMPLE.get(type(value), {}).get("type") for value in values}
    out = {"type": kinds.pop()} if len(kinds) == 1 and None not in kinds else {}
    return dict(out, enum=values)


def _generic(origin, args, defs):
    if origin is tuple and args and args[-1] is not Ellipsis:
        items = [schema_of(arg, defs) for arg in args if arg != ()]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
    if origin in _STREAMS or origin in _LISTS:
        out = {"type": "array"}
        item = schema_of(args[0], defs) if args else {}
        if item:
            out["items"] = item
        if origin in (set, frozenset, collections.abc.Set):
            out["uniqueItems"] = True
        return out
    if origin in (collections.abc.Awaitable, collections.abc.Coroutine):
        return schema_of(args[-1], defs) if args else {}
    if isinstance(origin, type) and issubclass(origin, collections.abc.Mapping):
        item = schema_of(args[1], defs) if len(args) == 2 else {}
        return {"type": "object", "additionalProperties": item} if item else {"type": "object"}
    return _class(origin, defs) if isinstance(origin, type) else {}


def _class(cls, defs):
    if hints.is_model(cls) or hasattr(cls, "__pydantic_validator__"):
        return foreign.schema(cls, (), defs) or {"type": "object"}
    if issubclass(cls, enum.Enum):
        return _constants(list(cls))
    if hints.is_typed_dict(cls):
        return _named(cls, defs, _typed_dict)
    if dataclasses.is_dataclass(cls):
        return _named(cls, defs, _dataclass)
    if issubclass(cls, tuple) and hasattr(cls, "_fields"):
        return _named(cls, defs, _named_tuple)
    for base, found in _SIMPLE.items():
        if issubclass(cls, base):
            return dict(found)
    if issubclass(cls, collections.abc.Mapping):
        return {"type": "object"}
    return {}


def _named(cls, defs, make):
    """Put a class's schema into defs, once, and return a reference to it."""
    name = cls.__name__
    ref = {"$ref": "#/$defs/" + name}
    if name not in defs:
        defs[name] = {}  # a class that holds itself finds this
        defs[name] = make(cls, defs)
    return ref


def _fields(cls, defs, names, required):
    resolved = hints.class_hints(cls)
    described = docstring.parse(cls.__doc__).parameters
    properties = {}
    for name in names:
        field = schema_of(resolved.get(name, hints.EMPTY), defs)
        if name in described and "description" not in field:
            field["description"] = described[name]
        properties[name] = field
    out = {"type": "object", "title": cls.__name__, "properties": properties}
    if required:
        out["required"] = required
    return out


def _typed_dict(cls, defs):
    required = hints.required_keys(cls)
    names = list(hints.class_hints(cls))
    return _fields(cls, defs, names, [name for name in names if name in required])


def _dataclass(cls, defs):
    fields = [field for field in dataclasses.fields(cls) if field.init]
    missing = dataclasses.MISSING
    required = [f.name for f in fields if f.default is missing and f.default_factory is missing]
    out = _fields(cls, defs, [field.name for field in fields], required)
    for field in fields:
        if field.default is not missing:
            add_default(out["properties"][field.name], field.default)
    out["additionalProperties"] = False
    return out


def _named_tuple(cls, defs):
    required = [name for name in cls._fields if name not in cls._field_defaults]
    return _fields(cls, defs, list(cls._fields), required)

