"""One corpus for all codecs: what one reads, writes or refuses, all do."""

import json
import math
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from runagent_shim import codec


def installed():
    """Return every codec that this environment has, and print what is missing."""
    found = [codec.JSONCodec()]
    try:
        import msgspec.json

        found.append(codec.MsgspecCodec(msgspec.json))
    except ImportError:
        print("skipped: msgspec is not installed")
    try:
        import orjson

        found.append(codec.OrjsonCodec(orjson))
    except ImportError:
        print("skipped: orjson is not installed")
    return found


CODECS = installed()

DEEP = codec.MAX_DEPTH

# Texts that are read, each with the value that all codecs must give.
READ = [
    (b"0", 0),
    (b"-0", 0),
    (b"-0.0", -0.0),
    (b"2.0", 2.0),
    (b"1E5", 100000.0),
    (b"1e-999", 0.0),
    (b"0.1234567890123456789", 0.1234567890123456789),
    (b"9223372036854775807", 2**63 - 1),
    (b"18446744073709551615", 2**64 - 1),
    (b"18446744073709551616", 2**64),
    (b"-9223372036854775808", -(2**63)),
    (b"-9223372036854775809", -(2**63) - 1),
    (b'{"a":[1,-18446744073709551616]}', {"a": [1, -(2**64)]}),
    (b"[1,\n\t18446744073709551617]", [1, 2**64 + 1]),
    (b"1" * 400, int("1" * 400)),
    (b'"12345678901234567890123"', "12345678901234567890123"),
    (b'{"id":"a 12345678901234567890"}', {"id": "a 12345678901234567890"}),
    (b'{"a":1,"a":2}', {"a": 2}),
    (b'{"":{}}', {"": {}}),
    (b'"\\ud800"', "\ud800"),
    (b'"\\udc00x"', "\udc00x"),
    (b'"\\ud83d\\ude00"', "\U0001f600"),
    ('"é\u2028😀"'.encode(), "é\u2028😀"),
    (b'"\\u0000\\/\\b"', "\x00/\b"),
    (b" \t\r\n[true , false,null ] \n", [True, False, None]),
    (b"[" * DEEP + b"]" * DEEP, None),
    (b'{"a":' * DEEP + b"1" + b"}" * DEEP, None),
    (b"[" + b"[]," * 500 + b'"[[[["]', [[]] * 500 + ["[[[["]),
]

REFUSED = [
    b"",
    b" ",
    b"NaN",
    b"[Infinity]",
    b"-Infinity",
    b"1e999",
    b"[-1e400]",
    b"1" * 400 + b".0",
    b"1" * 5000,
    b"[1,2",
    b"[1,]",
    b'{"a":1,}',
    b"{a:1}",
    b"'a'",
    b"01",
    b"1.",
    b".5",
    b"+1",
    b"1 2",
    b"tru",
    b'"\x01"',
    b'"a\nb"',
    b'"\\x"',
    b'"\\ud8"',
    b"\xef\xbb\xbf1",
    b'"\xff"',
    b'"\xed\xa0\x80"',
    b"1\x00",
    "1".encode("utf-16"),
    b"[" * (DEEP + 1) + b"]" * (DEEP + 1),
    b'{"a":' * (DEEP + 1) + b"1" + b"}" * (DEEP + 1),
    b"[" * 100000,
    b"[" * 100000 + b"]" * 100000,
    b'["]",' * 300 + b"1" + b',"["]' * 300,
]

# Values that are written, each with its text where one form is promised.
WRITTEN = [
    (None, b"null"),
    (True, b"true"),
    (2.0, b"2.0"),
    (-0.0, b"-0.0"),
    (0.1, b"0.1"),
    (1e16, None),
    (5e-324, None),
    (2**63, b"9223372036854775808"),
    (2**64, b"18446744073709551616"),
    (-(2**200), str(-(2**200)).encode()),
    ({"a": 2**70, "b": None}, b'{"a":1180591620717411303424,"b":null}'),
    ("é😀", '"é😀"'.encode()),
    ("\ud800", b'"\\ud800"'),
    (["a", "\udc00"], b'["a","\\udc00"]'),
    ("\x00\"\\\x7f", None),
    ("null NaN g\x7f", None),
    ((1, (2, 3)), b"[1,[2,3]]"),
    ({1: 2, None: 3, True: 4, 1.5: 5}, b'{"1":4,"null":3,"1.5":5}'),
    ([None, -1, -1.5, "g"], b'[null,-1,-1.5,"g"]'),
    ({"a": {"b": [1, {"c": []}]}}, b'{"a":{"b":[1,{"c":[]}]}}'),
]


class Named(tuple):
    _fields = ("a",)


class Text(str):
    pass


def endless():
    value = []
    value.append(value)
    return value


def nested(depth, make):
    value = 1
    for _ in range(depth):
        value = make(value)
    return value


UNWRITABLE = [
    float("nan"),
    [float("inf")],
    {"a": None, "b": float("-inf")},
    [None, [None, {"x": float("nan")}]],
    {1: float("nan"), "a": None},
    object(),
    Named((1,)),
    [Text("x")],
    {"a": b"bytes"},
    {"a": {1, 2}},
    {(1, 2): 3},
    1j,
    endless(),
    nested(DEEP + 1, lambda v: [v]),
    nested(DEEP + 1, lambda v: {"a": v}),
    nested(100000, lambda v: [v]),
    nested(1500, lambda v: (v,)),  # orjson overruns its stack from some 10,000 tuples on
]


def same(a, b):
    """Compare values as JSON tells them apart: 1, 1.0, True and -0.0 all differ."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return a == b and math.copysign(1, a) == math.copysign(1, b)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    return a == b


class TestCodecs(unittest.TestCase):
    def test_read_alike(self):
        for text, want in READ:
            for each in CODECS:
                with self.subTest(codec=each.name, text=text[:60]):
                    got = each.loads(text)
                    self.assertTrue(same(got, CODECS[0].loads(text)))
                    if want is not None:
                        self.assertTrue(same(got, want), "got %r, want %r" % (got, want))

    def test_refuse_alike(self):
        for text in REFUSED:
            messages = set()
            for each in CODECS:
                with self.subTest(codec=each.name, text=text[:60]):
                    with self.assertRaises(codec.DecodeError) as caught:
                        each.loads(text)
                    messages.add(str(caught.exception))
            self.assertEqual(len(messages), 1, messages)

    def test_reads_any_buffer(self):
        for each in CODECS:
            for make in (bytes, bytearray, memoryview):
                with self.subTest(codec=each.name, make=make.__name__):
                    self.assertEqual(each.loads(make(b'{"a":[1]}')), {"a": [1]})

    def test_write_alike(self):
        for value, want in WRITTEN:
            for each in CODECS:
                with self.subTest(codec=each.name, value=value):
                    text = each.dumps(value)
                    if want is not None:
                        self.assertEqual(text, want)
                    self.assertTrue(same(json.loads(text), json.loads(CODECS[0].dumps(value))))

    def test_refuse_to_write_alike(self):
        for value in UNWRITABLE:
            for each in CODECS:
                with self.subTest(codec=each.name, value=type(value).__name__):
                    with self.assertRaises((TypeError, ValueError)):
                        each.dumps(value)

    def test_what_is_written_is_read_back(self):
        for value, _ in WRITTEN:
            for writer in CODECS:
                for reader in CODECS:
                    with self.subTest(writer=writer.name, reader=reader.name, value=value):
                        text = writer.dumps(value)
                        self.assertTrue(same(reader.loads(text), json.loads(text)))

    def test_depth_at_the_limit_is_written(self):
        for each in CODECS:
            for make in (lambda v: [v], lambda v: {"k": v}):
                with self.subTest(codec=each.name):
                    value = nested(DEEP, make)
                    self.assertEqual(json.loads(each.dumps(value)), value)

    def test_wide_is_not_deep(self):
        value = {"rows": [{"a": [], "b": {}, "c": "[{"} for _ in range(1000)]}
        for each in CODECS:
            with self.subTest(codec=each.name):
                self.assertEqual(each.loads(each.dumps(value)), value)

    def test_choose_takes_the_fastest_there_is(self):
        want = "orjson" if "orjson" in {c.name for c in CODECS} else CODECS[-1].name
        self.assertEqual(codec.choose().name, want)


class TestLongTexts(unittest.TestCase):
    LONG = "x" * (64 << 10)

    def test_not_a_number_is_refused_wherever_it_is(self):
        for value in (
            {"a": self.LONG, "b": math.nan},
            {"a": self.LONG, "b": [[[{"c": [math.inf]}]]]},
            [self.LONG, *range(2000), math.nan],
            [self.LONG, nested(20, lambda v: [v]), [[[[[[[[[[math.nan]]]]]]]]]]],
        ):
            for one in CODECS:
                with self.subTest(codec=one.name), self.assertRaises(ValueError):
                    one.dumps(value)

    def test_none_and_text_are_written(self):
        for value in ({"a": self.LONG, "b": None}, {"a": self.LONG + "null", "b": 1.5}, [self.LONG, True, {"k": (1, 2)}]):
            for one in CODECS:
                with self.subTest(codec=one.name):
                    self.assertEqual(json.loads(one.dumps(value)), json.loads(json.dumps(value)))

    def test_depth_is_seen(self):
        for make in (lambda v: [v], lambda v: {"k": v}):
            deep = nested(DEEP + 1, make)
            text = json.dumps([self.LONG, deep]).encode()
            for one in CODECS:
                with self.subTest(codec=one.name), self.assertRaises(ValueError):
                    one.dumps([self.LONG, deep])
                with self.subTest(codec=one.name), self.assertRaises(codec.DecodeError):
                    one.loads(text)
                with self.subTest(codec=one.name):
                    one.dumps([self.LONG, nested(DEEP - 2, make)])
                    one.loads(json.dumps([self.LONG, nested(DEEP - 2, make)]).encode())

    def test_tame_texts_are_read_from_any_buffer(self):
        value = {"a": self.LONG, "b": [123456789012345678, -0.1234567890123456789, "\ud800", None, "é"]}
        text = json.dumps(value).encode()
        for one in CODECS:
            for data in (text, bytearray(text), memoryview(b" " + text)[1:]):
                with self.subTest(codec=one.name, kind=type(data)):
                    self.assertEqual(one.loads(data, True), value)


class TestTooDeep(unittest.TestCase):
    def test_counts_containers(self):
        for depth, want in ((0, False), (3, False), (4, True)):
            with self.subTest(depth=depth):
                self.assertIs(codec.too_deep(nested(depth, lambda v: [v, "x"]), 3), want)

    def test_does_not_follow_other_objects(self):
        self.assertFalse(codec.too_deep([object(), TestTooDeep, json], 5))


if __name__ == "__main__":
    unittest.main()
