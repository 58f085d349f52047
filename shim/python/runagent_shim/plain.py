"""Makes plain JSON data of what Python functions return."""

import base64
import collections
import collections.abc
import dataclasses
import datetime
import decimal
import enum
import io
import itertools
import os
import re
import sys
import types
import uuid

from . import adapters, libraries
from .codec import MAX_DEPTH, TOO_DEEP

# An endless generator inside a result must not fill the memory.
MAX_COLLECTED = 1000000

# Classes made for one call only must not be held for ever.
MAX_KNOWN = 1000

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")

_ATOMS = frozenset((str, int, bool, type(None)))


class EncodeError(TypeError):
    """A result holds what JSON can't say; the message names type and place."""


def make_plain(value):
    """Return value as dicts, lists, strings, numbers, booleans and None."""
    return _Walk().plain(value, ("result", None))


def type_name(value):
    """Return the name of value's type as its author would write it."""
    kind = type(value)
    if kind.__module__ in ("builtins", "__main__"):
        return kind.__qualname__
    return "%s.%s" % (kind.__module__, kind.__qualname__)


def place(path):
    """Return a path, a chain of (step, parent), as text like result.items[3]."""
    steps = []
    while path is not None:
        step, path = path
        if isinstance(step, int):
            steps.append("[%d]" % step)
        elif path is None:
            steps.append(step)
        elif _IDENTIFIER.match(step):
            steps.append("." + step)
        else:
            steps.append('["%s"]' % (step if len(step) < 80 else step[:80] + "…"))
    return "".join(reversed(steps))


class _Walk:
    """One walk over one result: knows where it is and what it is inside of."""

    def __init__(self):
        self._open = set()  # ids of the containers around the current place

    def plain(self, value, path):
        kind = type(value)
        if kind in _ATOMS:
            return value
        if kind is float:
            return self.finite(value, path)
        handler = _handler(kind)
        if handler is None:
            handler = _by_looks(value)
        if handler is None:
            raise EncodeError(_refusal(value, path))
        if handler in _SCALARS:
            return handler(self, value, path)
        # In line, since frames are what deep nesting uses up.
        if id(value) in self._open:
            raise EncodeError("%s: a cycle: this %s contains itself" % (place(path), type_name(value)))
        if len(self._open) > MAX_DEPTH:
            raise EncodeError("%s…: %s" % (place(path)[:200], TOO_DEEP))
        self._open.add(id(value))
        try:
            return handler(self, value, path)
        finally:
            self._open.discard(id(value))

    def finite(self, value, path):
        if value - value != 0.0:
            raise EncodeError("%s: %r is not JSON" % (place(path), value))
        return value

    def pairs(self, pairs, path):
        """Return an object from pairs of key and value."""
        out = {}
        for key, value in pairs:
            name = key if type(key) is str else self.key(key, path)
            # In line, since most of what results hold is text.
            out[name] = value if type(value) in _ATOMS else self.plain(value, (name, path))
        return out

    def items(self, items, path):
        """Return a list from any iterable."""
        out = []
        for index, value in enumerate(items):
            if index >= MAX_COLLECTED:
                raise EncodeError("%s: more than %d items" % (place(path), MAX_COLLECTED))
            out.append(value if type(value) in _ATOMS else self.plain(value, (index, path)))
        return out

    def key(self, key, path):
        """Return a key that is no string as json.dumps writes it, and a few more."""
        if key is None or isinstance(key, (bool, str, int, float)):
            value = self.plain(key, path)
        else:
            handler = _handler(type(key))
            value = handler(self, key, path) if handler in _SCALARS else ()
        if isinstance(value, str):
            return value
        if value is True or value is False or value is None:
            return {True: "true", False: "false", None: "null"}[value]
        if isinstance(value, (int, float)):
            return repr(value)
        raise EncodeError("%s: a key of type %s is not JSON" % (place(path), type_name(key)))


def _refusal(value, path):
    text = "%s: a value of type %s is not JSON" % (place(path), type_name(value))
    if isinstance(value, collections.abc.AsyncIterable):
        return text + "; an async generator is read only when it is the whole result"
    if isinstance(value, collections.abc.Awaitable):
        return text + "; it was never awaited"
    if isinstance(value, type) or callable(value):
        return text + "; was a call left out?"
    return text


# Handlers: (walk, value, path) → plain data. Those in _SCALARS hold nothing.


def _str(walk, value, path):
    return str.__str__(value)


def _int(walk, value, path):
    return int.__int__(value)


def _float(walk, value, path):
    return walk.finite(float.__float__(value), path)


def _enum(walk, value, path):
    return walk.plain(value.value, path)


def _datetime(walk, value, path):
    return rfc3339(value)


def _isoformat(walk, value, path):
    return value.isoformat()


def _timedelta(walk, value, path):
    return iso_duration(value)


def _decimal(walk, value, path):
    if not value.is_finite():
        raise EncodeError("%s: %r is not JSON" % (place(path), value))
    return str(value)


def _text(walk, value, path):
    return str(value)


def _path(walk, value, path):
    name = os.fspath(value)
    return os.fsdecode(name)


def _bytes(walk, value, path):
    return base64.b64encode(value).decode("ascii")


def _mapping(walk, value, path):
    return walk.pairs(value.items(), path)


def _iterable(walk, value, path):
    return walk.items(value, path)


def _set(walk, value, path):
    out = walk.items(value, path)
    try:
        return sorted(out)
    except TypeError:  # of mixed types: the order stays as it came
        return out


def _named_tuple(walk, value, path):
    return walk.pairs(zip(value._fields, value), path)


def _dataclass(walk, value, path):
    names = [field.name for field in dataclasses.fields(value)]
    return walk.pairs(_attributes(value, names), path)


def _attrs(walk, value, path):
    names = [field.name for field in type(value).__attrs_attrs__]
    return walk.pairs(_attributes(value, names), path)


def _namespace(walk, value, path):
    return walk.pairs(vars(value).items(), path)


def _attributes(value, names):
    for name in names:
        if not name.startswith("_") and hasattr(value, name):
            yield name, getattr(value, name)


def rfc3339(value):
    """Return a datetime as RFC 3339; a naive one has no offset to write."""
    offset = value.utcoffset()
    if offset is None:
        return value.isoformat()
    if not offset:
        return value.replace(tzinfo=None).isoformat() + "Z"
    if offset.total_seconds() % 60:  # of times before time zones
        return rfc3339(value.astimezone(datetime.timezone.utc))
    return value.isoformat()


def iso_duration(value):
    """Return a timedelta as an ISO 8601 duration, like P1DT2H or -PT0.5S."""
    sign = ""
    if value.days < 0:
        sign, value = "-", -value
    hours, rest = divmod(value.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    text = "P%dD" % value.days if value.days else "P"
    clock = "%dH" % hours if hours else ""
    clock += "%dM" % minutes if minutes else ""
    if value.microseconds:
        clock += ("%d.%06d" % (seconds, value.microseconds)).rstrip("0") + "S"
    elif seconds or not (clock or value.days):
        clock += "%dS" % seconds
    return sign + text + ("T" + clock if clock else "")


_EXACT = {
    dict: _mapping,
    list: _iterable,
    tuple: _iterable,
    set: _set,
    frozenset: _set,
    bytes: _bytes,
    bytearray: _bytes,
    memoryview: _bytes,
    datetime.datetime: _datetime,
    datetime.date: _isoformat,
    datetime.time: _isoformat,
    datetime.timedelta: _timedelta,
    decimal.Decimal: _decimal,
    uuid.UUID: _text,
    range: _iterable,
    types.GeneratorType: _iterable,
    types.SimpleNamespace: _namespace,
    collections.deque: _iterable,
}

# In order: the first class that value's type descends from decides.
_BASES = (
    (enum.Enum, _enum),
    (str, _str),
    (int, _int),
    (float, _float),
    (os.PathLike, _path),
    (datetime.datetime, _datetime),
    (datetime.date, _isoformat),
    (datetime.time, _isoformat),
    (datetime.timedelta, _timedelta),
    (decimal.Decimal, _decimal),
    (uuid.UUID, _text),
    (dict, _mapping),
    (list, _iterable),
    (tuple, _iterable),
    ((set, frozenset), _set),
    ((bytes, bytearray), _bytes),
    (types.SimpleNamespace, _namespace),
)

_SCALARS = libraries.SCALARS | {
    _str,
    _int,
    _float,
    _enum,
    _datetime,
    _isoformat,
    _timedelta,
    _decimal,
    _text,
    _path,
    _bytes,
}


def _handler(kind):
    """Return what makes values of this class plain, or None."""
    handler = _EXACT.get(kind)
    if handler is None:
        handler = _find(kind)
        if handler is not None and len(_EXACT) < MAX_KNOWN:
            _EXACT[kind] = handler
    return handler


def _find(kind):
    handler = adapters.handler(kind) or libraries.handler(kind)
    if handler is not None:
        return handler
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return _named_tuple
    if dataclasses.is_dataclass(kind):
        return _dataclass
    if hasattr(kind, "__attrs_attrs__"):
        return _attrs
    for base, handler in _BASES:
        if issubclass(kind, base):
            return handler
    ipaddress = sys.modules.get("ipaddress")
    if ipaddress and issubclass(kind, (ipaddress._IPAddressBase)):
        return _text
    return None


def _by_looks(value):
    """Return a handler for what is recognised by its interface."""
    if isinstance(value, io.IOBase):
        return None
    if isinstance(value, collections.abc.Mapping):
        return _mapping
    if isinstance(value, collections.abc.Set):
        return _set
    if isinstance(value, (collections.abc.Sequence, collections.abc.ValuesView)):
        return _iterable
    if isinstance(value, collections.abc.Iterator):
        return _iterable
    array = sys.modules.get("array")
    if array and isinstance(value, array.array):
        return _iterable
    return None
