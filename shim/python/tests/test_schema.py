"""Schemas and descriptions of entrypoints."""

import dataclasses
import datetime
import enum
import json
import sys
import typing
import unittest
from pathlib import Path
from typing import Annotated, Any, AsyncIterator, Dict, Iterator, List, Literal, Optional, Tuple, Union

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from runagent_shim import docstring
from runagent_shim import adapters
from runagent_shim.schema import describe

try:
    import pydantic
except ImportError:
    pydantic = None
    print("skipped: TestPydantic needs pydantic")
try:
    from langgraph import graph as langgraph
except ImportError:
    langgraph = None
    print("skipped: TestLangGraph needs langgraph")
try:
    import jsonschema
except ImportError:
    jsonschema = None

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass
class Person:
    """Someone.

    Attributes and so on.

    Args:
        name: what they are called
    """

    name: str
    friends: List["Person"] = dataclasses.field(default_factory=list)
    color: Color = Color.RED


class Order(typing.TypedDict, total=False):
    item: str


def greet(name: str, times: int = 1, *, shout: bool = False) -> str:
    """Greets someone.

    At length.

    Args:
        name: who is greeted
        times (int): how often,
            at most ten
    Returns:
        name: not a parameter
    """
    return name


# (annotation, schema)
TYPES = [
    (str, {"type": "string"}),
    (int, {"type": "integer"}),
    (None, {"type": "null"}),
    (Any, {}),
    (Optional[int], {"type": ["integer", "null"]}),
    (Union[int, str, None], {"type": ["integer", "string", "null"]}),
    (Union[int, Any], {}),
    (Union[List[int], None], {"anyOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "null"}]}),
    (list, {"type": "array"}),
    (List[List[str]], {"type": "array", "items": {"type": "array", "items": {"type": "string"}}}),
    (typing.Set[int], {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}),
    (
        Tuple[int, str],
        {
            "type": "array",
            "prefixItems": [{"type": "integer"}, {"type": "string"}],
            "minItems": 2,
            "maxItems": 2,
        },
    ),
    (Tuple[int, ...], {"type": "array", "items": {"type": "integer"}}),
    (Dict[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
    (typing.Mapping[str, Any], {"type": "object"}),
    (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
    (Literal["a", 1, None], {"enum": ["a", 1, None]}),
    (Color, {"type": "string", "enum": ["red", "blue"]}),
    (Annotated[int, "how many"], {"type": "integer", "description": "how many"}),
    (typing.NewType("Name", str), {"type": "string"}),
    (datetime.datetime, {"type": "string", "format": "date-time"}),
    (bytes, {"type": "string", "contentEncoding": "base64"}),
    (Order, {"$ref": "#/$defs/Order"}),
    (object(), {}),
    (type("Odd", (), {}), {}),
]


class Hostile:
    """Raises at everything."""

    def __getattribute__(self, name):
        raise RuntimeError(name)

    def __call__(self):
        return 1


class BadRepr:
    def __repr__(self):
        raise RuntimeError("no")


class TestInput(unittest.TestCase):
    def test_a_function(self):
        got = describe(greet)
        self.assertEqual(got["description"], "Greets someone.")
        self.assertEqual(got["signature"], "greet(name: str, times: int = 1, *, shout: bool = False) -> str")
        self.assertEqual(
            got["input_schema"],
            {
                "$schema": DIALECT,
                "type": "object",
                "properties": {
                    "name": {"type": "string", "description": "who is greeted"},
                    "times": {"type": "integer", "default": 1, "description": "how often, at most ten"},
                    "shout": {"type": "boolean", "default": False},
                },
                "required": ["name"],
                "additionalProperties": False,
            },
        )
        self.assertEqual(got["output_schema"], {"$schema": DIALECT, "type": "string"})

    def test_types(self):
        for annotation, want in TYPES:
            with self.subTest(annotation=annotation):

                def fn(v, w):
                    return v

                fn.__annotations__ = {"v": annotation}
                self.assertEqual(describe(fn)["input_schema"]["properties"]["v"], want)

    def test_classes_that_hold_themselves(self):
        def fn(person: Person, n: int):
            return person

        schema = describe(fn)["input_schema"]
        self.assertEqual(schema["properties"]["person"], {"$ref": "#/$defs/Person"})
        self.assertEqual(
            schema["$defs"]["Person"],
            {
                "type": "object",
                "title": "Person",
                "properties": {
                    "name": {"type": "string", "description": "what they are called"},
                    "friends": {"type": "array", "items": {"$ref": "#/$defs/Person"}},
                    "color": {"type": "string", "enum": ["red", "blue"], "default": "red"},
                },
                "required": ["name"],
                "additionalProperties": False,
            },
        )

    def test_one_parameter_that_takes_the_whole_input(self):
        def of_person(person: Person):
            return person

        def of_anything(data):
            return data

        schema = describe(of_person)["input_schema"]
        self.assertEqual(list(schema["properties"]), ["name", "friends", "color"])
        self.assertEqual(
            describe(of_anything)["input_schema"],
            {"$schema": DIALECT, "type": "object", "properties": {"data": {}}},
        )

    def test_open_keywords_and_defaults(self):
        def fn(a: int = None, b=object(), c=(1, Color.BLUE), d=float("nan"), **rest: int):
            return a

        schema = describe(fn)["input_schema"]
        self.assertNotIn("additionalProperties", schema)
        self.assertEqual(
            schema["properties"],
            {"a": {"type": ["integer", "null"], "default": None}, "b": {}, "c": {"default": [1, "blue"]}, "d": {}},
        )

    def test_streams_and_awaitables(self):
        async def chunks() -> AsyncIterator[str]:
            yield ""

        def items() -> Iterator[Dict[str, int]]:
            yield {}

        async def later() -> int:
            return 1

        self.assertEqual(describe(chunks)["output_schema"]["items"], {"type": "string"})
        self.assertEqual(describe(items)["output_schema"]["type"], "array")
        self.assertEqual(describe(later)["output_schema"]["type"], "integer")

    def test_annotations_as_text_and_unknown_names(self):
        space = {"List": List}
        exec("from __future__ import annotations\ndef fn(a: List[int], b: Nope, c: str) -> Nope: ...", space)
        got = describe(space["fn"])
        self.assertEqual(
            got["input_schema"]["properties"],
            {"a": {"type": "array", "items": {"type": "integer"}}, "b": {}, "c": {"type": "string"}},
        )
        self.assertEqual(got["signature"], "fn(a: List[int], b: Nope, c: str) -> Nope")

    def test_nothing_raises(self):
        for fn in (Hostile(), print, dict, 5, None, BadRepr, lambda x=BadRepr(): x, type, len):
            got = describe(fn)
            self.assertEqual(set(got), {"signature", "description", "input_schema", "output_schema"})
            json.dumps(got)

    @unittest.skipIf(jsonschema is None, "jsonschema is not installed")
    def test_schemas_are_valid(self):
        def fn(p: Person, o: Order, c: Color, t: Tuple[int, ...] = (1,)) -> Dict[str, Person]:
            return {}

        for key in ("input_schema", "output_schema"):
            jsonschema.Draft202012Validator.check_schema(describe(fn)[key])


class TestDocstring(unittest.TestCase):
    def check(self, text, summary, parameters):
        got = docstring.parse(text)
        self.assertEqual((got.summary, got.parameters), (summary, parameters))

    def test_forms(self):
        self.check(None, "", {})
        self.check("", "", {})
        self.check("One\n   two.\n\n   Three.", "One two.", {})
        self.check(
            """Sum.

            Args:
                a (int, optional): first: one
                *rest: the others

                b: after a gap
            Raises:
                ValueError: never
            """,
            "Sum.",
            {"a": "first: one", "rest": "the others", "b": "after a gap"},
        )
        self.check(
            """Sum.

            Parameters
            ----------
            a : int
                The first.
                It counts.
            b, c : str, optional
                Both.

            Returns
            -------
            d : int
                Not one.
            """,
            "Sum.",
            {"a": "The first. It counts.", "b": "Both.", "c": "Both."},
        )
        self.check(
            """Sum.

            :param a: The first,
                and more.
            :param int b: The second.
            :type b: int
            :returns: c
            """,
            "Sum.",
            {"a": "The first, and more.", "b": "The second."},
        )
        self.check("\n    Args:\n        a: x", "", {"a": "x"})


@unittest.skipIf(pydantic is None, "pydantic is not installed")
class TestPydantic(unittest.TestCase):
    def test_models(self):
        class Inner(pydantic.BaseModel):
            n: int = pydantic.Field(gt=0, description="how many")

        class Outer(pydantic.BaseModel):
            inner: Inner

        def whole(m: Outer) -> Inner:
            return m.inner

        def two(m: Outer, k: Annotated[int, pydantic.Field(ge=1)]) -> List[Inner]:
            return []

        got = describe(whole)
        self.assertEqual(got["input_schema"]["properties"], {"inner": {"$ref": "#/$defs/Inner"}})
        inner = {"exclusiveMinimum": 0, "type": "integer", "description": "how many", "title": "N"}
        self.assertEqual(got["input_schema"]["$defs"]["Inner"]["properties"]["n"], inner)
        self.assertEqual(got["output_schema"]["$ref"], "#/$defs/Inner")
        got = describe(two)["input_schema"]
        self.assertEqual(got["properties"]["k"], {"minimum": 1, "type": "integer"})
        self.assertEqual(got["properties"]["m"], {"$ref": "#/$defs/Outer"})
        self.assertEqual(sorted(got["$defs"]), ["Inner", "Outer"])


@unittest.skipIf(langgraph is None, "langgraph is not installed")
class TestLangGraph(unittest.TestCase):
    def test_a_graph_shows_its_state(self):
        class State(langgraph.MessagesState):
            topic: str

        builder = langgraph.StateGraph(State)
        builder.add_node("a", lambda state: state)
        builder.add_edge("__start__", "a")
        adapted = adapters.adapt(builder.compile().invoke, adapters.Wanted())
        got = describe(adapted.fn, adapted.binding)
        self.assertEqual(sorted(got["input_schema"]["properties"]), ["messages", "topic"])
        self.assertNotIn("required", got["input_schema"])
        self.assertEqual(got["input_schema"]["properties"]["messages"]["type"], "array")
        self.assertTrue(got["signature"].startswith("invoke(input"), got["signature"])


if __name__ == "__main__":
    unittest.main()
