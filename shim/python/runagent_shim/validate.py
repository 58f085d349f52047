"""Checks and converts JSON values against Python annotations.

``compile_check`` turns an annotation into a function ``check(value, pointer)``
that returns the value to pass on or raises Mismatch, or into None where there
is nothing to check. JSON's own types are the measure: a string is never taken
for a number nor a number for a string. Two things are taken since nothing is
lost: a whole float for an int (2.0 for 2) and an int for a float.

What only pydantic understands is left to pydantic, if it is loaded.
"""

import base64
import collections
import collections.abc
import dataclasses
import datetime
import decimal
import enum
import json
import pathlib
import typing
import uuid

from . import adapters, foreign, hints


class Mismatch(ValueError):
    """A value is not what its annotation says."""

    def __init__(self, pointer, message):
        super().__init__(message)
        self.pointer = pointer
        self.message = message


def compile_check(hint, seen=None):
    """Return check(value, pointer), or None where every value is right."""
    hint, extras = hints.strip(hint)
    found = adapters.check(hint)
    if found is not None:
        return found
    if extras and foreign.has_rules(extras):
        check = foreign.compile_check(hint, extras)
        if check is not None:
            return check
    if hint is None or hint is type(None):
        return _null
    if hint in _SIMPLE:
        return _SIMPLE[hint]
    origin = typing.get_origin(hint)
    if hints.is_union(hint):
        return _union(typing.get_args(hint), seen)
    if origin is typing.Literal:
        return _literal(typing.get_args(hint))
    if origin is not None:
        return _generic(origin, typing.get_args(hint), seen)
    if isinstance(hint, type):
        return _class(hint, {} if seen is None else seen)
    return None


def exact_type(hint):
    """Return the type of which compile_check's check takes every value as it is, None if there is none."""
    return next((kind for kind in (str, int, float, bool, list, dict) if hint is kind), None)


def expected(pointer, what, value):
    """Return the Mismatch that says what was expected and what came."""
    return Mismatch(pointer, "expected %s, got %s" % (what, describe(value)))


def describe(value):
    """Return a JSON value in a few words for a message."""
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    text = json.dumps(value) if isinstance(value, str) else repr(value)
    if len(text) > 60:
        text = text[:60] + "…"
    return ("the string " if isinstance(value, str) else "the number ") + text


def escape(step):
    """Return one step of a JSON pointer (RFC 6901)."""
    return str(step).replace("~", "~0").replace("/", "~1")


def _string(value, pointer):
    if isinstance(value, str):
        return value
    raise expected(pointer, "a string", value)


def _integer(value, pointer):
    kind = type(value)
    if kind is int:
        return value
    if kind is float and value.is_integer():
        return int(value)
    raise expected(pointer, "an integer", value)


def _number(value, pointer):
    kind = type(value)
    if kind is float:
        return value
    if kind is int:
        try:
            return float(value)
        except OverflowError:
            raise expected(pointer, "a number within the range of a float", value) from None
    raise expected(pointer, "a number", value)


def _boolean(value, pointer):
    if value is True or value is False:
        return value
    raise expected(pointer, "true or false", value)


def _null(value, pointer):
    if value is None:
        return None
    raise expected(pointer, "null", value)


def _list(value, pointer):
    if isinstance(value, list):
        return value
    raise expected(pointer, "a list", value)


def _object(value, pointer):
    if isinstance(value, dict):
        return value
    raise expected(pointer, "an object", value)


def _converted(convert, what):
    """A check that makes a value of another class from a string."""

    def check(value, pointer):
        if isinstance(value, str):
            try:
                return convert(value)
            except (ValueError, ArithmeticError):
                pass
        raise expected(pointer, what, value)

    return check


def _parse_datetime(text):
    if text[-1:] in "zZ":
        text = text[:-1] + "+00:00"
    if "." in text:  # before 3.11 only 3 or 6 digits are read
        head, _, rest = text.partition(".")
        digits = len(rest) - len(rest.lstrip("0123456789"))
        text = "%s.%s%s" % (head, (rest[:digits] + "000000")[:6], rest[digits:])
    return datetime.datetime.fromisoformat(text)


def _decimal(value, pointer):
    if type(value) in (int, str, float):
        try:
            number = decimal.Decimal(str(value))
            if number.is_finite():
                return number
        except ArithmeticError:
            pass
    raise expected(pointer, "a decimal number", value)


def _collected(make):
    def check(value, pointer):
        return make(_list(value, pointer))

    return check


_SIMPLE = {
    str: _string,
    int: _integer,
    float: _number,
    bool: _boolean,
    list: _list,
    typing.List: _list,
    dict: _object,
    typing.Dict: _object,
    typing.Any: None,
    object: None,
    hints.EMPTY: None,
    tuple: _collected(tuple),
    set: _collected(set),
    frozenset: _collected(frozenset),
    collections.abc.Mapping: _object,
    collections.abc.MutableMapping: _object,
    collections.abc.Sequence: _list,
    collections.abc.Iterable: _list,
    datetime.datetime: _converted(_parse_datetime, "a date and time such as 2026-01-31T12:00:00Z"),
    datetime.date: _converted(datetime.date.fromisoformat, "a date such as 2026-01-31"),
    datetime.time: _converted(datetime.time.fromisoformat, "a time such as 12:00:00"),
    decimal.Decimal: _decimal,
    uuid.UUID: _converted(uuid.UUID, "a UUID"),
    pathlib.Path: _converted(pathlib.Path, "a path"),
    bytes: _converted(lambda text: base64.b64decode(text, validate=True), "base64 text"),
}

_PLAIN_KINDS = {str: (str,), bool: (bool,), type(None): (type(None),), int: (int,), float: (float,)}


def _union(parts, seen):
    """A value that fits one part exactly is left as it is; else the first that takes it."""
    checks = [(part, compile_check(part, seen)) for part in parts]
    if any(check is None for _, check in checks):
        return None
    exact = set()
    for part in parts:
        exact.update(_PLAIN_KINDS.get(part, ()))
    exact = frozenset(exact)
    what = " or ".join(_wanted(part) for part in parts)

    def check(value, pointer):
        if type(value) in exact:
            return value
        deepest = None
        for _, part_check in checks:
            try:
                return part_check(value, pointer)
            except Mismatch as mismatch:
                if len(mismatch.pointer) > len(pointer):
                    deepest = mismatch  # the part that fitted best says most
        raise deepest or expected(pointer, what, value)

    return check


_WANTED = {
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    type(None): "null",
    list: "a list",
    dict: "an object",
}


def _wanted(hint):
    hint, _ = hints.strip(hint)
    return _WANTED.get(hint) or _WANTED.get(typing.get_origin(hint)) or hints.text(hint)


def _literal(values):
    # 1 == True == 1.0 in Python, not in JSON.
    kinds = {(type(value), value): value for value in values if not isinstance(value, enum.Enum)}
    kinds.update({(type(v.value), v.value): v for v in values if isinstance(v, enum.Enum)})
    what = "one of " + ", ".join(json.dumps(value) for _, value in kinds)

    def check(value, pointer):
        if isinstance(value, (str, int, bool, float, type(None))):
            if (type(value), value) in kinds:
                return kinds[type(value), value]
        raise expected(pointer, what, value)

    return check


def _generic(origin, args, seen):
    if origin in (tuple,):
        return _tuple(args, seen)
    if not isinstance(origin, type):
        return None
    if issubclass(origin, collections.abc.Mapping):
        return _mapping(args, seen)
    make = _MAKES.get(origin)
    if make is not None:
        return _sequence(args[0] if args else typing.Any, make, seen)
    if hints.is_model(origin) or dataclasses.is_dataclass(origin):
        return _class(origin, {} if seen is None else seen)
    return None


_MAKES = {
    list: list,
    set: set,
    frozenset: frozenset,
    collections.deque: collections.deque,
    collections.abc.Sequence: list,
    collections.abc.MutableSequence: list,
    collections.abc.Iterable: list,
    collections.abc.Collection: list,
    collections.abc.Set: set,
}


def _sequence(item, make, seen):
    check_item = compile_check(item, seen)

    def check(value, pointer):
        _list(value, pointer)
        if check_item is not None:
            value = [check_item(v, "%s/%d" % (pointer, at)) for at, v in enumerate(value)]
        try:
            return value if make is list else make(value)
        except TypeError:
            raise expected(pointer, "a list of values that can be in a set", value) from None

    return check


def _tuple(args, seen):
    if len(args) == 2 and args[1] is Ellipsis:
        return _sequence(args[0], tuple, seen)
    checks = [compile_check(arg, seen) for arg in args if arg != ()]

    def check(value, pointer):
        _list(value, pointer)
        if len(value) != len(checks):
            raise Mismatch(pointer, "expected %d items, got %d" % (len(checks), len(value)))
        return tuple(
            v if c is None else c(v, "%s/%d" % (pointer, at))
            for at, (v, c) in enumerate(zip(value, checks))
        )

    return check


def _mapping(args, seen):
    key, item = args if len(args) == 2 else (str, typing.Any)
    key, _ = hints.strip(key)
    check_key = _integer_key if key is int else None
    if key not in (str, int, typing.Any) and isinstance(key, type):
        check_key = compile_check(key, seen)
    check_item = compile_check(item, seen)
    if check_key is None and check_item is None:
        return _object

    def check(value, pointer):
        out = {}
        for name, item in _object(value, pointer).items():
            at = "%s/%s" % (pointer, escape(name))
            if check_item is not None:
                item = check_item(item, at)
            out[name if check_key is None else check_key(name, at)] = item
        return out

    return check


def _integer_key(name, pointer):
    try:
        return int(name)
    except ValueError:
        raise expected(pointer, "a key that is an integer", name) from None


def _class(cls, seen):
    """Compile a class; one that holds itself refers to its own check."""
    if cls in seen:
        return lambda value, pointer: seen[cls](value, pointer)
    if hints.is_typed_dict(cls):
        make = _typed_dict
    elif issubclass(cls, enum.Enum):
        return _enum(cls)
    elif hints.is_model(cls) or hasattr(cls, "__pydantic_validator__"):
        return foreign.compile_check(cls, ())
    elif dataclasses.is_dataclass(cls):
        make = _dataclass
    else:
        return None
    seen[cls] = lambda value, pointer: value  # until it is compiled
    seen[cls] = make(cls, seen)
    return seen[cls]


def _enum(cls):
    members = {}
    for member in cls:
        members.setdefault((type(member.value), member.value), member)
    what = "one of " + ", ".join(describe(value).split(" ", 2)[-1] for _, value in members)

    def check(value, pointer):
        try:
            found = members.get((type(value), value))
        except TypeError:
            found = None
        if found is None:
            raise expected(pointer, what, value)
        return found

    return check


def _typed_dict(cls, seen):
    checks = {name: compile_check(hint, seen) for name, hint in hints.class_hints(cls).items()}
    required = hints.required_keys(cls)

    def check(value, pointer):
        _object(value, pointer)
        _missing(required, value, pointer)
        return {name: _field(checks.get(name), name, item, pointer) for name, item in value.items()}

    return check


def _dataclass(cls, seen):
    resolved = hints.class_hints(cls)
    fields = [field for field in dataclasses.fields(cls) if field.init]
    checks = {field.name: compile_check(resolved.get(field.name), seen) for field in fields}
    required = {
        field.name
        for field in fields
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }

    def check(value, pointer):
        _object(value, pointer)
        _missing(required, value, pointer)
        known = {}
        for name, item in value.items():
            if name not in checks:
                near = nearest(name, checks)
                raise Mismatch(
                    "%s/%s" % (pointer, escape(name)), "no such field in %s%s" % (cls.__name__, near)
                )
            known[name] = _field(checks[name], name, item, pointer)
        try:
            return cls(**known)
        except (TypeError, ValueError) as error:  # its __post_init__ refuses
            raise Mismatch(pointer, "%s: %s" % (cls.__name__, error)) from error

    return check


def _field(check, name, value, pointer):
    return value if check is None else check(value, "%s/%s" % (pointer, escape(name)))


def _missing(required, value, pointer):
    if not required <= value.keys():
        names = sorted(required - value.keys())
        raise Mismatch(
            "%s/%s" % (pointer, escape(names[0])), "missing" + also(names[1:])
        )


def also(names):
    """Return the rest of a list of missing names in words."""
    return ", and so " + ("is " if len(names) == 1 else "are ") + ", ".join(names) if names else ""


def nearest(name, names):
    """Return '; did you mean …?' for the name most like the given one, or ''."""
    import difflib

    found = difflib.get_close_matches(name, [n for n in names], 1)
    return "; did you mean %s?" % found[0] if found else ""
