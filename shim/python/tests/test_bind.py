"""How inputs become arguments."""

import collections.abc
import dataclasses
import datetime
import decimal
import enum
import functools
import sys
import timeit
import typing
import unittest
import uuid
from pathlib import Path
from typing import Annotated, Any, Dict, List, Literal, Optional, Tuple, Union

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from runagent_shim.bind import Binder, BindError


class Color(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Address:
    city: str
    zip_code: Optional[str] = None


@dataclasses.dataclass
class Person:
    name: str
    address: Address
    friends: List["Person"] = dataclasses.field(default_factory=list)


class Order(typing.TypedDict):
    item: str
    count: int


class Options(Order, total=False):
    note: str


def plain(a, b=2):
    return a


def prompt(prompt: str):
    return prompt


def whole(data):
    return data


def whole_or_more(inputs: Dict[str, Any], verbose=False):
    return inputs


def varied(a, /, b, *rest: int, c, d: str = "d", **extra: int):
    return a


class Agent:
    def ask(self, question: str, *, loud: bool = False):
        return question

    @classmethod
    def make(cls, n: int):
        return n

    @staticmethod
    def add(n: int):
        return n

    def __call__(self, text: str):
        return text


def decorated(fn):
    @functools.wraps(fn)
    def inner(*args, **kwargs):
        return fn(*args, **kwargs)

    return inner


@decorated
def wrapped(n: int):
    return n


# (function, args, kwargs, bound args, bound kwargs)
BOUND = [
    (plain, None, {"a": 1}, (), {"a": 1}),
    (plain, [1], None, (1,), {}),
    (plain, [1], {"b": 3}, (1,), {"b": 3}),
    (plain, [1, 2], {}, (1, 2), {}),
    (prompt, None, {"prompt": "x"}, (), {"prompt": "x"}),
    (whole, None, {"data": 1}, (), {"data": 1}),
    (whole, None, {"x": 1}, ({"x": 1},), {}),
    (whole, None, None, ({},), {}),
    (whole, [[1, 2]], None, ([1, 2],), {}),
    (whole_or_more, None, {"x": 1}, ({"x": 1},), {}),
    (whole_or_more, None, {"inputs": {}, "verbose": True}, (), {"inputs": {}, "verbose": True}),
    (varied, [1, 2, 3], {"c": 4, "e": 5}, (1, 2, 3), {"c": 4, "e": 5}),
    (varied, [1], {"b": 2, "c": 3}, (1,), {"b": 2, "c": 3}),
    (Agent().ask, None, {"question": "q", "loud": True}, (), {"question": "q", "loud": True}),
    (Agent.make, None, {"n": 1}, (), {"n": 1}),
    (Agent.add, [1], None, (1,), {}),
    (Agent(), None, {"text": "x"}, (), {"text": "x"}),
    (wrapped, None, {"n": 1}, (), {"n": 1}),
    (functools.partial(plain, b=1), None, {"a": 1}, (), {"a": 1}),
    (lambda: 1, None, {}, (), {}),
    (lambda **kw: kw, None, {"any": 1}, (), {"any": 1}),
    (lambda *args: args, [1, "2"], None, (1, "2"), {}),
    (lambda *, options: 1, None, {"x": 1}, (), {"options": {"x": 1}}),
]

# (function, args, kwargs, field, words)
REFUSED = [
    (prompt, None, {"promt": "x"}, "/promt", "did you mean prompt?"),
    (prompt, None, {"x": "x"}, "/x", "missing: prompt"),
    (prompt, None, {}, "/prompt", "missing"),
    (prompt, ["a", "b"], None, "", "2 positional arguments, at most 1"),
    (prompt, ["a"], {"prompt": "b"}, "/prompt", "given twice"),
    (prompt, None, {"prompt": 1}, "/prompt", "expected a string, got the number 1"),
    (prompt, [None], None, "/0", "expected a string, got null"),
    (plain, None, {"b": 1}, "/a", "missing"),
    (plain, None, {"a": 1, "zz": 1}, "/zz", "no such parameter"),
    (whole, None, {"data": 1, "x": 2}, "/x", "no such parameter"),
    (whole_or_more, None, {"x": 1, "verbose": True}, "/x", "no such parameter"),
    (varied, None, {"a": 1, "b": 2, "c": 3}, "/a", "missing"),
    (varied, [1, 2, "3"], {"c": 4}, "/2", "expected an integer"),
    (varied, [1, 2], {"c": 4, "e": "5"}, "/e", "expected an integer"),
    (Agent().ask, None, {"question": "q", "loud": 1}, "/loud", "expected true or false"),
    (wrapped, None, {"n": "1"}, "/n", 'expected an integer, got the string "1"'),
    (lambda a, b, c: 1, None, {}, "/a", "missing, and so are b, c"),
]

# (annotation, value, converted)
TAKEN = [
    (int, 2.0, 2),
    (int, 2**70, 2**70),
    (float, 2, 2.0),
    (Any, object, object),
    (Optional[int], None, None),
    (Union[int, str], "x", "x"),
    (Union[int, str], 1, 1),
    (Union[int, float], 2.0, 2.0),
    (Union[Order, str], {"item": "a", "count": 1}, {"item": "a", "count": 1}),
    (Union[Color, int], "red", Color.RED),
    (List[int], [1, 2.0], [1, 2]),
    (List[List[Color]], [["red"]], [[Color.RED]]),
    (Tuple[int, str], [1, "a"], (1, "a")),
    (Tuple[int, ...], [1, 2], (1, 2)),
    (typing.Set[int], [1, 1], {1}),
    (typing.Sequence[int], [1], [1]),
    (typing.Iterable[str], ["a"], ["a"]),
    (Dict[str, int], {"a": 1.0}, {"a": 1}),
    (Dict[int, str], {"1": "a"}, {1: "a"}),
    (typing.Mapping[str, Any], {"a": 1}, {"a": 1}),
    (collections.abc.Callable, 1, 1),
    (Literal["a", 1, None], "a", "a"),
    (Literal["a", 1, None], None, None),
    (Color, "red", Color.RED),
    (Address, {"city": "x"}, Address("x")),
    (
        Person,
        {"name": "a", "address": {"city": "x"}, "friends": [{"name": "b", "address": {"city": "y"}}]},
        Person("a", Address("x"), [Person("b", Address("y"))]),
    ),
    (Order, {"item": "a", "count": 1.0}, {"item": "a", "count": 1}),
    (Order, {"item": "a", "count": 1, "more": []}, {"item": "a", "count": 1, "more": []}),
    (Options, {"item": "a", "count": 1}, {"item": "a", "count": 1}),
    (Annotated[int, "how many"], 3, 3),
    (typing.NewType("UserId", int), 3, 3),
    (datetime.date, "2026-01-31", datetime.date(2026, 1, 31)),
    (
        datetime.datetime,
        "2026-01-31T12:00:00.1Z",
        datetime.datetime(2026, 1, 31, 12, 0, 0, 100000, datetime.timezone.utc),
    ),
    (uuid.UUID, str(uuid.UUID(int=1)), uuid.UUID(int=1)),
    (decimal.Decimal, "1.10", decimal.Decimal("1.10")),
    (decimal.Decimal, 1.1, decimal.Decimal("1.1")),
    (bytes, "AP8=", b"\x00\xff"),
    (typing.TypeVar("T"), "x", "x"),
]

# (annotation, value, field, words)
NOT_TAKEN = [
    (int, "1", "/v", 'an integer, got the string "1"'),
    (int, 1.5, "/v", "an integer, got the number 1.5"),
    (int, True, "/v", "an integer, got true"),
    (int, None, "/v", "an integer, got null"),
    (float, "1.5", "/v", "a number"),
    (float, False, "/v", "a number, got false"),
    (float, 10**400, "/v", "within the range"),
    (bool, 1, "/v", "true or false, got the number 1"),
    (bool, "true", "/v", "true or false"),
    (str, ["a"], "/v", "a string, got a list"),
    (List[int], {"a": 1}, "/v", "a list, got an object"),
    (List[int], [1, "x"], "/v/1", "an integer"),
    (Dict[str, List[int]], {"a/b": [1, None]}, "/v/a~1b/1", "an integer, got null"),
    (Dict[int, str], {"x": "a"}, "/v/x", "a key that is an integer"),
    (Tuple[int, str], [1], "/v", "expected 2 items, got 1"),
    (typing.Set[List[int]], [[1]], "/v", "values that can be in a set"),
    (Optional[int], "x", "/v", "an integer or null"),
    (Union[int, List[int]], ["x"], "/v/0", "an integer"),
    (Literal["a", 1], True, "/v", 'one of "a", 1, got true'),
    (Literal[1], 1.5, "/v", "one of 1"),
    (Literal["a"], ["a"], "/v", "one of"),
    (Color, "blue", "/v", 'one of "red"'),
    (Color, ["red"], "/v", 'one of "red"'),
    (Address, {}, "/v/city", "missing"),
    (Address, {"city": "x", "zipcode": "1"}, "/v/zipcode", "did you mean zip_code?"),
    (Person, {"name": "a", "address": {"city": 1}}, "/v/address/city", "a string"),
    (Order, {"item": "a"}, "/v/count", "missing"),
    (Options, {"item": "a", "count": 1, "note": 1}, "/v/note", "a string"),
    (datetime.date, "31.1.2026", "/v", "a date such as"),
    (datetime.datetime, 5, "/v", "a date and time such as"),
    (uuid.UUID, "x", "/v", "a UUID"),
    (decimal.Decimal, "NaN", "/v", "a decimal number"),
    (bytes, "%", "/v", "base64"),
]


def taking(annotation):
    def fn(v):
        return v

    fn.__annotations__ = {"v": annotation}
    return Binder(fn, "t")


class TestNames(unittest.TestCase):
    def test_bound(self):
        for fn, args, kwargs, want_args, want_kwargs in BOUND:
            with self.subTest(fn=fn, args=args, kwargs=kwargs):
                got = Binder(fn, "t").bind(args, kwargs)
                self.assertEqual(got, (want_args, want_kwargs))
                fn(*got[0], **got[1])

    def test_refused(self):
        for fn, args, kwargs, field, words in REFUSED:
            with self.subTest(fn=fn, args=args, kwargs=kwargs):
                binder = Binder(fn, "t")
                with self.assertRaises(BindError) as caught:
                    binder.bind(args, kwargs)
                self.assertIn(words, str(caught.exception))
                self.assertEqual(caught.exception.field, field)
                self.assertTrue(str(caught.exception).endswith("; signature: " + binder.signature))

    def test_keywords_that_are_no_object(self):
        for kwargs in ([1], "x", 1, []):
            with self.assertRaises(BindError):
                Binder(whole, "t").bind(None, kwargs)
        for args in ({"a": 1}, "x", 1):
            with self.assertRaises(BindError):
                Binder(whole, "t").bind(args, None)

    def test_a_function_without_a_signature_is_left_to_python(self):
        self.assertEqual(Binder(dict.fromkeys, "t").bind([[1]], None)[0], ([1],))


class TestTypes(unittest.TestCase):
    def test_taken(self):
        for annotation, value, want in TAKEN:
            with self.subTest(annotation=annotation, value=value):
                _, kwargs = taking(annotation).bind(None, {"v": value})
                self.assertEqual(kwargs["v"], want)
                self.assertIs(type(kwargs["v"]), type(want))

    def test_not_taken(self):
        for annotation, value, field, words in NOT_TAKEN:
            with self.subTest(annotation=annotation, value=value):
                with self.assertRaises(BindError) as caught:
                    taking(annotation).bind(None, {"v": value})
                self.assertIn(words, str(caught.exception))
                self.assertEqual(caught.exception.field, field)

    def test_a_default_of_none_takes_null(self):
        def fn(a: int = None, b: int = 1):
            return a

        self.assertEqual(Binder(fn, "t").bind(None, {"a": None})[1], {"a": None})
        with self.assertRaises(BindError):
            Binder(fn, "t").bind(None, {"b": None})

    def test_one_dict_like_parameter_gets_the_whole_input(self):
        def of_dataclass(address: Address):
            return address

        def of_typed_dict(order: Optional[Order]):
            return order

        self.assertEqual(Binder(of_dataclass, "t").bind(None, {"city": "x"})[0], (Address("x"),))
        self.assertEqual(
            Binder(of_dataclass, "t").bind(None, {"address": {"city": "x"}})[1],
            {"address": Address("x")},
        )
        with self.assertRaises(BindError) as caught:
            Binder(of_dataclass, "t").bind(None, {"city": 1})
        self.assertEqual(caught.exception.field, "/city")
        order = {"item": "a", "count": 1}
        self.assertEqual(Binder(of_typed_dict, "t").bind(None, order)[0], (order,))

    def test_annotations_that_are_no_types_are_not_checked(self):
        for annotation in ([1, 2], 5, "not code!", print, {"a": 1}, typing.List["Nope"], typing.Generic, ...):
            with self.subTest(annotation=annotation):
                self.assertEqual(taking(annotation).bind(None, {"v": [1]})[1], {"v": [1]})

    def test_annotations_as_text(self):
        space = {"List": List, "Address": Address}
        source = (
            "from __future__ import annotations\n"
            "def fn(a: List[int], b: Address = None, c: NotThere = 1, d: 'str' = ''): return a\n"
        )
        exec(source, space)
        binder = Binder(space["fn"], "t")
        _, got = binder.bind(None, {"a": [1], "b": {"city": "x"}, "c": "unchecked"})
        self.assertEqual(got, {"a": [1], "b": Address("x"), "c": "unchecked"})
        for wrong in ({"a": ["x"]}, {"a": [], "b": {}}, {"a": [], "d": 1}):
            with self.subTest(wrong=wrong), self.assertRaises(BindError):
                binder.bind(None, wrong)
        self.assertIn("a: List[int], b: Address = None, c: NotThere = 1", binder.signature)

    @unittest.skipIf(sys.version_info < (3, 10), "X | Y needs Python 3.10")
    def test_unions_of_new_style(self):
        space = {}
        exec("def fn(v: int | None | list[str]): return v", space)
        binder = Binder(space["fn"], "t")
        for value in (1, None, ["a"]):
            self.assertEqual(binder.bind(None, {"v": value})[1], {"v": value})
        with self.assertRaises(BindError):
            binder.bind(None, {"v": "x"})

    def test_a_dataclass_that_refuses_says_why(self):
        @dataclasses.dataclass
        class Even:
            n: int

            def __post_init__(self):
                if self.n % 2:
                    raise ValueError("n is odd")

        with self.assertRaisesRegex(BindError, "Even: n is odd"):
            taking(Even).bind(None, {"v": {"n": 1}})


class TestItems(unittest.TestCase):
    def test_items_of_a_batch(self):
        def of_orders(orders: List[Order]) -> List[dict]:
            return orders

        def of_anything(items):
            return items

        binder = Binder(of_orders, "t")
        self.assertEqual(binder.bind_item(None, {"item": "a", "count": 1}), {"item": "a", "count": 1})
        with self.assertRaises(BindError) as caught:
            binder.bind_item(None, {"item": "a", "count": "x"})
        self.assertEqual(caught.exception.field, "/count")
        self.assertEqual(Binder(of_anything, "t").bind_item(["x"], None), "x")
        self.assertEqual(Binder(of_anything, "t").bind_item(None, None), {})
        with self.assertRaises(BindError):
            binder.bind_item([1], {"a": 1})


class TestCost(unittest.TestCase):
    def test_the_common_case_is_cheap(self):
        def fn(name: str, count: int = 1):
            return name

        for each, given in ((plain, {"a": 1}), (fn, {"name": "x", "count": 2})):
            bind = Binder(each, "t").bind
            best = min(timeit.repeat(lambda: bind(None, given), number=2000, repeat=5)) / 2000
            # Around 0.4 µs here; the bound is for slow and busy machines.
            self.assertLess(best, 10e-6)


if __name__ == "__main__":
    unittest.main()
