"""What Python functions return, as JSON, with every codec."""

import array
import collections
import dataclasses
import datetime
import decimal
import enum
import io
import ipaddress
import json
import pathlib
import sys
import types
import typing
import unittest
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from runagent_shim import codec
from runagent_shim.encode import EncodeError, encode

UTC = datetime.timezone.utc
CODECS = {each.name: each for each in (codec.JSONCodec(), codec.choose())}.values()


class Color(enum.Enum):
    RED = "red"
    PAIR = (1, 2)


class Level(enum.IntEnum):
    LOW = 1


class Word(str, enum.Enum):
    YES = "yes"


class Text(str):
    def __str__(self):
        return "not the text"


class Count(int):
    pass


class Point(typing.NamedTuple):
    x: int
    y: "Point" = None


@dataclasses.dataclass
class Item:
    name: str
    when: object = None
    _cache: object = dataclasses.field(default_factory=object)


class Box(collections.UserDict):
    pass


class Opaque:
    def __str__(self):
        return "must never be seen"


def zone(**offset):
    return datetime.timezone(datetime.timedelta(**offset))


MOMENT = datetime.datetime(2026, 1, 31, 12, 0, 0, 5000)

PLAIN = [
    (Point(1, Point(2)), {"x": 1, "y": {"x": 2, "y": None}}),
    ((1, (2,)), [1, [2]]),
    (Item("a", MOMENT.date()), {"name": "a", "when": "2026-01-31"}),
    (MOMENT, "2026-01-31T12:00:00.005000"),
    (MOMENT.replace(tzinfo=UTC), "2026-01-31T12:00:00.005000Z"),
    (MOMENT.replace(tzinfo=zone(hours=5, minutes=30)), "2026-01-31T12:00:00.005000+05:30"),
    (MOMENT.replace(tzinfo=zone(minutes=53, seconds=28)), "2026-01-31T11:06:32.005000Z"),
    (datetime.time(1, 2, 3), "01:02:03"),
    (datetime.timedelta(days=1, hours=2), "P1DT2H"),
    (datetime.timedelta(), "PT0S"),
    (datetime.timedelta(seconds=-1.5), "-PT1.5S"),
    (datetime.timedelta(days=3), "P3D"),
    (datetime.timedelta(minutes=61, microseconds=1), "PT1H1M0.000001S"),
    (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    (decimal.Decimal("1.10"), "1.10"),
    (Color.RED, "red"),
    (Color.PAIR, [1, 2]),
    (Level.LOW, 1),
    (Word.YES, "yes"),
    ({"k": [Level.LOW, Word.YES, None]}, {"k": [1, "yes", None]}),
    ({3, 1, 2}, [1, 2, 3]),
    (frozenset(("b", "a")), ["a", "b"]),
    (b"\x00\xff", "AP8="),
    (bytearray(b"hi"), "aGk="),
    (memoryview(b"hi"), "aGk="),
    (pathlib.PurePosixPath("/a/b"), "/a/b"),
    (Text("text"), "text"),
    (Count(2**70), 2**70),
    ({"big": 2**200, "point": Point(1)}, {"big": 2**200, "point": {"x": 1, "y": None}}),
    (collections.OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
    (collections.Counter("aab"), {"a": 2, "b": 1}),
    (types.MappingProxyType({"a": 1}), {"a": 1}),
    (Box({"a": Point(1)}), {"a": {"x": 1, "y": None}}),
    (collections.deque([1, 2]), [1, 2]),
    (range(3), [0, 1, 2]),
    (types.SimpleNamespace(a=1, b=range(1)), {"a": 1, "b": [0]}),
    (array.array("d", [1.5]), [1.5]),
    (ipaddress.ip_address("10.0.0.1"), "10.0.0.1"),
    ({1: "a", None: "b", True: "c", 2.5: "d"}, {"1": "c", "null": "b", "2.5": "d"}),
    ({Color.RED: 1, uuid.UUID(int=1): Point(1)}, None),
    ({datetime.date(2026, 1, 31): 1, Level.LOW: {1}}, {"2026-01-31": 1, "1": [1]}),
    ([{"deep": [{Point(1)}]}], [{"deep": [[{"x": 1, "y": None}]]}]),
]


def cycle_of_dicts():
    value = {"a": {}}
    value["a"]["b"] = [value]
    return value


def cycle_of_items():
    item = Item("a")
    item.when = [item]
    return item


async def asynchronous():
    yield 1


REFUSED = [
    ({"items": [1, 2, 3, {"when": Opaque()}]}, "result.items[3].when", "Opaque"),
    (Opaque(), "result", "Opaque"),
    ([float("nan")], "result[0]", "nan"),
    ({"a b": {"c": float("-inf")}}, 'result["a b"].c', "-inf"),
    (Item("x", decimal.Decimal("NaN")), "result.when", "NaN"),
    ([1j], "result[0]", "complex"),
    (cycle_of_dicts(), "result.a.b[0]", "cycle"),
    (cycle_of_items(), "result.when[0]", "cycle"),
    ({(1, 2): 3}, "result", "key of type tuple"),
    ({Opaque(): 3}, "result", "key of type"),
    ({float("nan"): 3}, "result", "nan"),
    ({"f": print}, "result.f", "was a call left out?"),
    ({"c": Opaque}, "result.c", "was a call left out?"),
    ({"g": asynchronous()}, "result.g", "async generator"),
    ([io.StringIO("x")], "result[0]", "StringIO"),
    ([ValueError("x")], "result[0]", "ValueError"),
    (["x", NotImplemented], "result[1]", "NotImplementedType"),
]


def rounds(value):
    """Return what a caller reads, the same with every codec."""
    texts = {each.name: encode(value, each) for each in CODECS}
    read = [json.loads(text) for text in texts.values()]
    assert all(item == read[0] for item in read), texts
    return read[0]


class TestEncode(unittest.TestCase):
    def test_known_types(self):
        for value, want in PLAIN:
            with self.subTest(value=value):
                got = rounds(value)
                if want is not None:
                    self.assertEqual(got, want)
                    self.assertEqual(type(got), type(want))

    def test_refusals_name_type_and_place(self):
        for value, place, words in REFUSED:
            for each in CODECS:
                with self.subTest(codec=each.name, place=place, words=words):
                    with self.assertRaises(EncodeError) as caught:
                        encode(value, each)
                    message = str(caught.exception)
                    self.assertTrue(message.startswith(place + ": "), message)
                    self.assertIn(words, message)
                    self.assertNotIn("must never be seen", message)

    def test_generators_are_collected_once(self):
        for each in CODECS:
            with self.subTest(codec=each.name):
                value = {"g": (n for n in range(2)), "m": map(str, [1]), "i": iter(["a"])}
                self.assertEqual(json.loads(encode(value, each)), {"g": [0, 1], "m": ["1"], "i": ["a"]})

    def test_an_endless_generator_ends(self):
        import itertools

        from runagent_shim import plain

        limit, plain.MAX_COLLECTED = plain.MAX_COLLECTED, 100
        try:
            with self.assertRaisesRegex(EncodeError, r"result\.n: more than 100 items"):
                encode({"n": itertools.count()}, codec.JSONCodec())
        finally:
            plain.MAX_COLLECTED = limit

    def test_a_generator_that_raises_says_what_it_raised(self):
        def broken():
            yield 1
            raise ValueError("mine")

        with self.assertRaisesRegex(ValueError, "^mine$"):
            encode({"g": broken()}, codec.JSONCodec())

    def test_the_same_object_twice_is_no_cycle(self):
        shared = Point(1)
        self.assertEqual(rounds([shared, shared]), [{"x": 1, "y": None}] * 2)

    def test_deep_is_refused(self):
        for make in (lambda v: [v], lambda v: {"a": v}, Point):
            value = 1
            for _ in range(100000):
                value = make(value)
            for each in CODECS:
                with self.subTest(codec=each.name):
                    with self.assertRaisesRegex(EncodeError, "nested deeper than 200 levels"):
                        encode(value, each)
            while not isinstance(value, int):  # unwind: freeing it whole overruns old Pythons
                value = value[0] if isinstance(value, (list, tuple)) else value["a"]

    def test_deep_within_the_limit_is_written(self):
        for make in (lambda v: [v, Point(1)], Point, lambda v: types.SimpleNamespace(a=v)):
            value = 1
            for _ in range(codec.MAX_DEPTH - 1):
                value = make(value)
            for each in CODECS:
                with self.subTest(codec=each.name):
                    json.loads(encode(value, each))

    def test_classes_made_per_call_are_not_held_for_ever(self):
        from runagent_shim import plain

        for _ in range(plain.MAX_KNOWN + 10):
            encode(type("Made", (Point,), {})(1), codec.JSONCodec())
        self.assertLessEqual(len(plain._EXACT), plain.MAX_KNOWN)

    def test_an_integer_too_long_for_text_is_refused(self):
        with self.assertRaises(EncodeError):
            encode([10**5000], codec.JSONCodec())

    def test_lone_surrogates_are_escaped(self):
        for each in CODECS:
            self.assertEqual(encode("\ud800", each), b'"\\ud800"')


if __name__ == "__main__":
    unittest.main()
