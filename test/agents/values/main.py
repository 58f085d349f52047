"""Returns every kind of result: `name` says which."""

import base64
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import pathlib
import typing
import uuid


class Colour(enum.Enum):
    """A plain enumeration."""

    RED = "red"


class Level(enum.IntEnum):
    """An enumeration that is a number."""

    HIGH = 3


@dataclasses.dataclass
class Point:
    """A dataclass, which may hold another."""

    x: int
    y: typing.Any = None


class Pair(typing.NamedTuple):
    """A named tuple: an object, not a list."""

    left: int
    right: str


def deep(levels):
    value = []
    for _ in range(levels):
        value = [value]
    return value


def circle():
    value = {}
    value["self"] = value
    return value


# What JSON can say: name → (value, the JSON it becomes).
GOOD = {
    "none": (None, None),
    "true": (True, True),
    "integer": (7, 7),
    "huge": (2**64 + 1, 2**64 + 1),
    "negative_huge": (-(2**70), -(2**70)),
    "float": (2.0, 2.0),
    "tiny": (5e-324, 5e-324),
    "text": ("hi", "hi"),
    "empty_text": ("", ""),
    "unicode": ("é 漢字 🦀 \u2028 \x00 \x7f", "é 漢字 🦀 \u2028 \x00 \x7f"),
    "half_a_pair": ("\ud800", "\ud800"),
    "list": ([1, [2, [3]]], [1, [2, [3]]]),
    "tuple": ((1, 2), [1, 2]),
    "object": ({"b": 1, "a": {"c": None}}, {"b": 1, "a": {"c": None}}),
    "integer_keys": ({1: "one", None: "none", True: "true", 2.5: "float"}, {"1": "true", "null": "none", "2.5": "float"}),
    "set": ({5}, [5]),
    "frozenset": (frozenset(["x"]), ["x"]),
    "deque": (collections.deque([1, 2]), [1, 2]),
    "counter": (collections.Counter("aab"), {"a": 2, "b": 1}),
    "ordered": (collections.OrderedDict(z=1, a=2), {"z": 1, "a": 2}),
    "range": (range(3), [0, 1, 2]),
    "bytes": (b"\x00\xff", base64.b64encode(b"\x00\xff").decode()),
    "enum": (Colour.RED, "red"),
    "int_enum": (Level.HIGH, 3),
    "dataclass": (Point(1, Point(2)), {"x": 1, "y": {"x": 2, "y": None}}),
    "named_tuple": (Pair(1, "r"), {"left": 1, "right": "r"}),
    "datetime": (datetime.datetime(2024, 2, 29, 12, 30, tzinfo=datetime.timezone.utc), "2024-02-29T12:30:00Z"),
    "naive_datetime": (datetime.datetime(2024, 2, 29, 12, 30), "2024-02-29T12:30:00"),
    "date": (datetime.date(2024, 2, 29), "2024-02-29"),
    "time": (datetime.time(12, 30), "12:30:00"),
    "uuid": (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    "path": (pathlib.PurePosixPath("/a/b"), "/a/b"),
    "mixed": ({"points": [Point(1)], "when": {datetime.date(2024, 1, 1)}}, {"points": [{"x": 1, "y": None}], "when": ["2024-01-01"]}),
}

# What JSON can't say: name → (value, the path inside the result that is at fault).
BAD = {
    "nan": (float("nan"), "$"),
    "infinity": ({"a": [1, float("inf")]}, "$.a[1]"),
    "decimal_nan": (decimal.Decimal("NaN"), "$"),
    "object_instance": ({"items": [1, object()]}, "$.items[1]"),
    "function": ([len], "$[0]"),
    "type": ({"t": int}, "$.t"),
    "complex": (1j, "$"),
    "fraction": (fractions.Fraction(1, 3), "$"),
    "circle": (circle(), "$"),
    "deep": (deep(100_000), "$"),
    "module": ({"m": base64}, "$.m"),
}


def good(name: str):
    """Return the value of GOOD with this name."""
    return GOOD[name][0]


def expected(name: str = ""):
    """Return the JSON that `good` must give, or the names there are."""
    return GOOD[name][1] if name else sorted(GOOD)


def bad(name: str):
    """Return the value of BAD with this name."""
    return BAD[name][0]


def fault(name: str = ""):
    """Return the path that `bad`'s error must name, or the names there are."""
    return BAD[name][1] if name else sorted(BAD)


def decimal_value() -> decimal.Decimal:
    """Return a Decimal: its form is the serializer's to choose."""
    return decimal.Decimal("1.10")


def timedelta() -> datetime.timedelta:
    """Return a timedelta: its form is the serializer's to choose."""
    return datetime.timedelta(minutes=1, milliseconds=500)


def generator_inside() -> dict:
    """Return an object that holds a generator: its items become a list."""
    return {"numbers": (number for number in range(3))}


def good_stream(name: str):
    """Yield the value of GOOD with this name, twice."""
    yield GOOD[name][0]
    yield GOOD[name][0]


def bad_stream(name: str, after: int = 2):
    """Yield good items, then the value of BAD with this name."""
    for index in range(after):
        yield index
    yield BAD[name][0]


def echo(value=None):
    """Return the argument itself: what went in must come out."""
    return value
