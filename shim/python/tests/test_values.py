"""Inputs and results through a whole instance."""

import json
import struct
import unittest

from harness import CALL_, Case


class ValuesTest(Case):
    CODE = """
    import collections, datetime, typing
    Point = collections.namedtuple("Point", "x y")
    def echo(**kw): return kw
    def typed(n: int, when: datetime.date = None): return {"n": n, "when": when}
    def whole(data): return data
    def rich(): return {"p": Point(1, {2}), 3: datetime.date(2026, 1, 31), "g": (i for i in range(2))}
    def bad(): return {"items": [1, {"when": object()}]}
    def not_a_number(): return {"x": [None, float("nan")]}
    async def later(data: typing.List[int]): return data
    """

    def setUp(self):
        names = ("echo", "typed", "whole", "rich", "bad", "not_a_number", "later")
        self.it = self.serve(self.CODE, *names)

    def raw(self, tag, text):
        """Call with keywords that the test has written itself."""
        names = ("echo", "typed", "whole", "rich", "bad", "not_a_number", "later")
        head = struct.pack(">HHIIIII", names.index(tag), 0, 0, 1000, 1 << 30, 0, 0)
        self.it.send(CALL_, 77, head + text)
        return self.it.answer(77)

    def test_numbers_and_surrogates_come_back_as_they_went(self):
        for text in (b'{"n":18446744073709551617}', b'{"x":2.0}', b'{"s":"\\ud800"}', b'{"a":[],"b":null}'):
            with self.subTest(text=text):
                frame = self.raw("echo", text)
                self.assertEqual(frame.value, json.loads(text))
                self.assertEqual(repr(frame.value), repr(json.loads(text)))

    def test_what_is_no_json_is_the_callers_fault(self):
        deep = b'{"a":' * 201 + b"1" + b"}" * 201
        for text in (b'{"x":NaN}', b'{"x":1e999}', b'{"x":', b'{"x":"\xff"}', deep, b"[1]", b'"x"'):
            with self.subTest(text=text[:20]):
                for tag in ("echo", "whole"):
                    self.assertError(self.raw(tag, text), "VALIDATION_ERROR")
        self.assertEqual(self.it.call("whole", {"x": 1}).value, {"x": 1})

    def test_types_are_checked_and_converted(self):
        got = self.it.call("typed", {"n": 2.0, "when": "2026-01-31"}).value
        self.assertEqual(repr(got), repr({"n": 2, "when": "2026-01-31"}))
        told = self.assertError(self.it.call("typed", {"n": "2"}), "VALIDATION_ERROR", "typed(n: int")
        self.assertEqual(told["field"], "/n")
        told = self.assertError(self.it.call("later", {"data": [1, "x"]}), "VALIDATION_ERROR")
        self.assertEqual(told["field"], "/data/1")

    def test_results(self):
        want = {"p": {"x": 1, "y": [2]}, "3": "2026-01-31", "g": [0, 1]}
        self.assertEqual(self.it.call("rich").value, want)

    def test_results_that_are_no_json_name_type_and_place(self):
        self.assertError(self.it.call("bad"), "EXECUTION_ERROR", "result.items[1].when: a value of type object")
        self.assertError(self.it.call("not_a_number"), "EXECUTION_ERROR", "result.x[1]: nan")


if __name__ == "__main__":
    unittest.main()
