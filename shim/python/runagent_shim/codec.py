"""JSON in and out, the same whichever library the agent's environment has.

orjson and msgspec are several times faster than the standard library and
differ from it in corners: integers beyond 64 bits become floats, NaN becomes
null, tuples with names become lists. A fast library is therefore asked only
for what it does alike; everything else goes through ``json``, which decides.
`tests/test_codec.py` holds one corpus that all codecs must agree on.
"""

import functools
import gc
import json
import marshal
import re

from .refusal import BindError

MAX_DEPTH = 200

# As many bytes can't nest deeper.
SHORT = 2 * MAX_DEPTH
_LONG_TEXT = 16 << 10

TOO_DEEP = "nested deeper than %d levels" % MAX_DEPTH


class DecodeError(BindError):
    """The text is not JSON, or JSON that we refuse."""


# Integers that a fast library may change have 19 digits or more. The first look
# is a substring search in a copy where every digit is a 0; the second, exact
# one leaves out most strings. Floats out of range are sought the same way.
_DIGITS_ALIKE = bytes(
    0x30 if 0x31 <= b <= 0x39 else 0x65 if b == 0x45 else b for b in range(256)
)
_LONG = b"0" * 19
_LONG_INTEGER = re.compile(rb"(?:^|[\[:,\s])-?\d{19}")

# A float in marshal's format that is not finite: exponent bits all set.
_NOT_FINITE = re.compile(rb"g.{6}[\xf0-\xff][\x7f\xff]", re.DOTALL)

_CONTAINERS = frozenset((dict, list, tuple))


def too_deep(value, limit=MAX_DEPTH, most=None):
    """Say whether plain JSON data nests deeper than limit levels.

    It goes down level by level in C: gc knows what containers hold. most is a
    number of values that no level of plain data can have; what seems to have
    more holds other objects, which lead to their classes and so to everything.
    """
    level = [value]
    for _ in range(limit):
        level = gc.get_referents(*level)
        if not level:
            return False
        if most is not None and len(level) > most:
            break
    return _too_deep_exactly(value, limit)


def _too_deep_exactly(value, limit):
    level = [value]
    for _ in range(limit + 1):
        level = [item for item in level if type(item) in _CONTAINERS]
        if not level:
            return False
        level = gc.get_referents(*level)
    return True


def _may_overflow(data):
    alike = data.translate(_DIGITS_ALIKE, b"+")
    return b"0e000" in alike or b"0" * 300 in alike


def _may_be_deep(text):
    size = len(text)
    if size <= SHORT:
        return False
    if size <= _LONG_TEXT:
        return text.count(b"[") + text.count(b"{") > MAX_DEPTH
    # To seek one byte is ten times faster than to count it.
    found, find = 0, text.find
    for bracket in (b"[", b"{"):
        at = find(bracket)
        while at >= 0:
            found += 1
            if found > MAX_DEPTH:
                return True
            at = find(bracket, at + 1)
    return False


def _few(value):
    """Say whether value is known to be few objects, nested in a few levels, and none a float.

    A long text of such a value is long for its strings: to look at the objects is
    less work than to look through the text.
    """
    level = [value]
    for _ in range(8):
        level = gc.get_referents(*level)
        if not level:
            return True
        if len(level) > 500 or float in map(type, level):
            return False
    return False


def _marshaled(value):
    """Return value in marshal's format, which takes exact plain types only.

    Subclasses (named tuples, enums, OrderedDict) raise; sets and bytes pass.
    """
    try:
        return marshal.dumps(value, 2)
    except ValueError:
        raise TypeError("not plain JSON data") from None


def _refuse_constant(name):
    raise DecodeError("%s is not JSON" % name)


def _finite_float(text):
    number = float(text)
    if number - number != 0.0:
        raise DecodeError("number out of range: %s" % (text if len(text) < 40 else text[:40] + "…"))
    return number


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
_CAREFUL_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite_float)
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_ASCII_ENCODER = json.JSONEncoder(allow_nan=False, separators=(",", ":"))


def _decode(data, decoder):
    """Decode by the standard library, with one form of error for all."""
    try:
        return decoder.decode(str(data, "utf-8"))
    except DecodeError:
        raise
    except UnicodeDecodeError as error:
        raise DecodeError("not UTF-8 at byte %d" % error.start) from None
    except RecursionError:
        raise DecodeError(TOO_DEEP) from None
    except json.JSONDecodeError as error:
        raise DecodeError(
            "not JSON: %s at line %d column %d" % (error.msg, error.lineno, error.colno)
        ) from None
    except ValueError as error:  # an integer of more digits than Python converts
        raise DecodeError(str(error)) from None


def _encode(value):
    """Encode plain data by the standard library."""
    try:
        text = _ENCODER.encode(value)
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:  # a lone surrogate: only its escape can be written
        return _ASCII_ENCODER.encode(value).encode("ascii")


class JSONCodec:
    """The standard library, made strict."""

    name = "json"

    def loads(self, data, tame=False):
        """Decode UTF-8 bytes, raising DecodeError.

        tame says that they nest at most MAX_DEPTH levels and that no number has
        an exponent or more than 18 digits before its point: nothing is left to check.
        """
        if tame:
            return _decode(data, _DECODER)
        data = bytes(data)
        value = _decode(data, _CAREFUL_DECODER if _may_overflow(data) else _DECODER)
        if _may_be_deep(data) and too_deep(value):
            raise DecodeError(TOO_DEEP)
        return value

    def dumps(self, value):
        """Encode plain JSON data, raising TypeError or ValueError for any other."""
        text = self._encode(value)
        if _may_be_deep(text) and too_deep(value, most=2 * len(text)):
            raise ValueError(TOO_DEEP)
        return text

    def raw(self):
        """Return (encode, options) of the fastest way there is: encode(value, None, options).

        It raises as dumps does. What it returns is to be taken from checked if it
        is longer than SHORT or holds b"null".
        """
        return self._raw, None

    def _raw(self, value, _, __):
        return self.dumps(value)

    def checked(self, value, text):
        """Return the JSON of value, for which raw's function returned text."""
        return text

    def _encode(self, value):
        _marshaled(value)  # json would write subclasses in its own way
        return _encode(value)


class MsgspecCodec(JSONCodec):
    """msgspec for reading. It writes too many types in ways of its own."""

    name = "msgspec"

    def __init__(self, msgspec_json):
        self._fast_loads = msgspec_json.Decoder().decode

    def loads(self, data, tame=False):
        """Decode UTF-8 bytes, raising DecodeError."""
        if tame:
            try:
                return self._fast_loads(data)
            except Exception:
                return _decode(data, _CAREFUL_DECODER)
        if type(data) is not bytes:
            data = bytes(data)
        if _LONG in data.translate(_DIGITS_ALIKE) and _LONG_INTEGER.search(data):
            value = _decode(data, _CAREFUL_DECODER)
        else:
            try:
                value = self._fast_loads(data)
            except Exception:  # what a library refuses, json may take, or say why not
                value = _decode(data, _CAREFUL_DECODER)
        if len(data) > SHORT and _may_be_deep(data) and too_deep(value):
            raise DecodeError(TOO_DEEP)
        return value


class OrjsonCodec(MsgspecCodec):
    """orjson for reading and writing what it does as json does."""

    name = "orjson"

    def __init__(self, orjson):
        self._fast_loads = orjson.loads
        self._fast_dumps = orjson.dumps
        self._options = (
            orjson.OPT_PASSTHROUGH_DATACLASS
            | orjson.OPT_PASSTHROUGH_DATETIME
            | orjson.OPT_PASSTHROUGH_SUBCLASS
        )

    def raw(self):
        """Return orjson's own function."""
        return self._fast_dumps, self._options

    def dumps(self, value):
        """Encode plain JSON data, raising TypeError or ValueError for any other."""
        try:
            text = self._fast_dumps(value, None, self._options)
        except (TypeError, ValueError, RecursionError):
            return super().dumps(value)
        if len(text) <= SHORT and b"null" not in text:
            return text
        return self.checked(value, text)

    def checked(self, value, text):
        """Return the JSON of value, for which raw's function returned text."""
        # Not-a-number is written as null: tell it from None.
        if (len(text) <= _LONG_TEXT or not _few(value)) and b"null" in text and _NOT_FINITE.search(_marshaled(value)):
            text = _encode(value)
        if _may_be_deep(text) and too_deep(value, most=2 * len(text)):
            raise ValueError(TOO_DEEP)
        return text


@functools.lru_cache(maxsize=None)
def choose():
    """Return the fastest codec that the environment has. A zygote chooses for its children."""
    try:
        import orjson

        return OrjsonCodec(orjson)
    except (ImportError, AttributeError):
        pass
    try:
        import msgspec.json

        return MsgspecCodec(msgspec.json)
    except (ImportError, AttributeError):
        return JSONCodec()
