"""Inputs for pydantic's types and LangChain's and LangGraph's runnables."""

import sys
import typing
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from runagent_shim import adapters
from runagent_shim.adapters.langchain import CallBinding
from runagent_shim.bind import Binder, BindError

try:
    import pydantic
except ImportError:
    pydantic = None
    print("skipped: TestPydantic needs pydantic")
try:
    from langchain_core import messages, prompts, runnables
except ImportError:
    runnables = None
    print("skipped: TestLangChain needs langchain-core")
try:
    from langgraph import graph as langgraph
    from langgraph.types import Command, Send
except ImportError:
    langgraph = None
    print("skipped: TestLangGraph needs langgraph")


class Fake:
    """Looks like a runnable, and records nothing."""

    def invoke(self, input, config=None, *, stream_mode="values", **kwargs):
        return input, config, stream_mode, kwargs

    ainvoke = stream = astream = invoke

    def batch(self, inputs, config=None):
        return inputs


def bound(fn):
    """Return the Binder that an entrypoint has which names fn, a framework's."""
    adapted = adapters.adapt(fn, adapters.Wanted())
    return Binder(adapted.fn, "t", adapted.binding)


def fake_binder(name):
    return Binder(getattr(Fake(), name), "t", CallBinding(Fake(), name))


class TestRunnables(unittest.TestCase):
    def test_inputs(self):
        config = {"configurable": {"thread_id": "1"}}
        for args, kwargs, want in (
            (None, {"messages": [1]}, (({"messages": [1]},), {})),
            (None, {}, (({},), {})),
            (None, None, (({},), {})),
            (None, {"input": {"a": 1}}, (({"a": 1},), {})),
            (None, {"input": "x", "config": config}, (("x",), {"config": config})),
            (None, {"input": 1, "stream_mode": "values"}, ((1,), {"stream_mode": "values"})),
            (None, {"input": "x", "history": []}, (({"input": "x", "history": []},), {})),
            (None, {"messages": [], "config": {}}, (({"messages": [], "config": {}},), {})),
            ([{"a": 1}], None, (({"a": 1},), {})),
            ([[1]], {"config": config}, (([1],), {"config": config})),
            ([{"a": 1}, config], None, (({"a": 1}, config), {})),
            (None, {"command": "ls"}, (({"command": "ls"},), {})),
        ):
            with self.subTest(args=args, kwargs=kwargs):
                self.assertEqual(fake_binder("invoke").bind(args, kwargs), want)

    def test_an_unknown_keyword_beside_a_positional_input(self):
        with self.assertRaises(BindError) as caught:
            fake_binder("invoke").bind([1], {"confg": {}})
        self.assertEqual(caught.exception.field, "/confg")
        self.assertIn("signature: invoke(input", str(caught.exception))

    def test_batch(self):
        binder = fake_binder("batch")
        self.assertEqual(binder.bind([[1, 2]], None), (([1, 2],), {}))
        self.assertEqual(binder.bind(None, {"inputs": [1]}), (([1],), {}))
        self.assertEqual(binder.bind(None, {"a": 1}), (([{"a": 1}],), {}))

    def test_other_methods_are_no_runnables(self):
        class Other:
            def invoke(self, question):
                return question

        for one in (Other().invoke, Other(), Fake.invoke, Fake, len, print, None):
            self.assertIsNone(adapters.adapt(one, adapters.Wanted()), one)
        self.assertEqual(Binder(Other().invoke, "t").bind(None, {"x": 1}), (({"x": 1},), {}))


@unittest.skipIf(pydantic is None, "pydantic is not installed")
class TestPydantic(unittest.TestCase):
    def setUp(self):
        class Inner(pydantic.BaseModel):
            n: int
            when: typing.Optional[__import__("datetime").date] = None

        class Outer(pydantic.BaseModel):
            inner: Inner
            name: str = pydantic.Field(alias="theName")

        self.Inner, self.Outer = Inner, Outer

    def binder(self, annotation):
        def fn(m):
            return m

        fn.__annotations__ = {"m": annotation}
        return Binder(fn, "t")

    def test_instances(self):
        given = {"inner": {"n": 1, "when": "2026-01-31"}, "theName": "x"}
        want = self.Outer(**given)
        self.assertEqual(self.binder(self.Outer).bind(None, {"m": given})[1], {"m": want})
        self.assertEqual(self.binder(self.Outer).bind(None, given)[0], (want,))
        self.assertEqual(
            self.binder(typing.List[self.Inner]).bind(None, {"m": [{"n": 1}]})[1],
            {"m": [self.Inner(n=1)]},
        )
        self.assertEqual(self.binder(typing.Optional[self.Inner]).bind(None, {"m": None})[1], {"m": None})

    def test_refusals_point_at_the_field(self):
        for annotation, value, field in (
            (self.Outer, {"inner": {"n": "1"}, "theName": "x"}, "/m/inner/n"),
            (self.Outer, {"inner": {"n": 1}}, "/m/theName"),
            (typing.List[self.Inner], [{"n": 1}, {"n": None}], "/m/1/n"),
            (typing.Annotated[int, pydantic.Field(gt=3)], 3, "/m"),
            (typing.Annotated[str, pydantic.StringConstraints(max_length=1)], "ab", "/m"),
        ):
            with self.subTest(annotation=annotation, value=value):
                with self.assertRaises(BindError) as caught:
                    self.binder(annotation).bind(None, {"m": value})
                self.assertEqual(caught.exception.field, field)

    def test_the_whole_input_points_without_the_parameter(self):
        with self.assertRaises(BindError) as caught:
            self.binder(self.Inner).bind(None, {"n": "x"})
        self.assertEqual(caught.exception.field, "/n")

    def test_constraints(self):
        binder = self.binder(typing.Annotated[int, pydantic.Field(gt=3)])
        self.assertEqual(binder.bind(None, {"m": 4})[1], {"m": 4})
        with self.assertRaises(BindError):
            binder.bind(None, {"m": "4"})

    def test_dataclasses_of_pydantic(self):
        import pydantic.dataclasses

        @pydantic.dataclasses.dataclass
        class Even:
            n: typing.Annotated[int, pydantic.Field(multiple_of=2)]

        self.assertEqual(self.binder(Even).bind(None, {"n": 2})[0], (Even(n=2),))
        with self.assertRaises(BindError) as caught:
            self.binder(Even).bind(None, {"m": {"n": 3}})
        self.assertEqual(caught.exception.field, "/m/n")

    def test_unions_told_apart_by_a_field(self):
        class Cat(pydantic.BaseModel):
            kind: typing.Literal["cat"]
            lives: int

        class Dog(pydantic.BaseModel):
            kind: typing.Literal["dog"]

        pet = typing.Annotated[typing.Union[Cat, Dog], pydantic.Field(discriminator="kind")]
        self.assertEqual(self.binder(pet).bind(None, {"m": {"kind": "dog"}})[1], {"m": Dog(kind="dog")})
        with self.assertRaisesRegex(BindError, "lives"):
            self.binder(pet).bind(None, {"m": {"kind": "cat", "lives": "9"}})
        either = typing.Union[Cat, Dog]
        self.assertEqual(self.binder(either).bind(None, {"kind": "dog"})[0], (Dog(kind="dog"),))

    def test_a_validator_of_the_author_that_fails_is_theirs(self):
        class Picky(pydantic.BaseModel):
            n: int

            @pydantic.field_validator("n")
            @classmethod
            def check(cls, value):
                if value == 1:
                    raise ValueError("not one")
                return 1 // value

        with self.assertRaisesRegex(BindError, "not one"):
            self.binder(Picky).bind(None, {"n": 1})
        with self.assertRaises(ZeroDivisionError):
            self.binder(Picky).bind(None, {"n": 0})

    def test_types_that_pydantic_cannot_describe_are_not_checked(self):
        class Arbitrary:
            pass

        self.assertEqual(self.binder(Arbitrary).bind(None, {"m": 1})[1], {"m": 1})

    @unittest.skipIf(sys.version_info >= (3, 14), "pydantic.v1 does not run on 3.14")
    def test_models_of_v1(self):
        from pydantic import v1

        class Old(v1.BaseModel):
            n: int

        self.assertEqual(self.binder(Old).bind(None, {"m": {"n": 1}})[1], {"m": Old(n=1)})
        with self.assertRaises(BindError) as caught:
            self.binder(Old).bind(None, {"m": {"n": "x"}})
        self.assertEqual(caught.exception.field, "/m/n")


@unittest.skipIf(runnables is None, "langchain-core is not installed")
class TestLangChain(unittest.TestCase):
    def test_a_prompt_with_variables_named_input_and_history(self):
        prompt = prompts.ChatPromptTemplate.from_template("{history} {input}")
        args, kwargs = bound(prompt.invoke).bind(None, {"input": "a", "history": "b"})
        self.assertEqual(prompt.invoke(*args, **kwargs).to_messages()[0].content, "b a")

    def test_a_lambda(self):
        double = runnables.RunnableLambda(lambda v: v["n"] * 2)
        args, kwargs = bound(double.invoke).bind(None, {"n": 2})
        self.assertEqual(double.invoke(*args, **kwargs), 4)

    def test_message_annotations_take_role_and_content(self):
        def fn(items: typing.List[messages.AnyMessage], one: messages.BaseMessage = None):
            return items

        given = {"items": [{"role": "user", "content": "hi"}, "yo"], "one": {"type": "ai", "content": "x"}}
        _, got = Binder(fn, "t").bind(None, given)
        self.assertEqual([m.content for m in got["items"]], ["hi", "yo"])
        self.assertIsInstance(got["items"][0], messages.HumanMessage)
        self.assertIsInstance(got["one"], messages.AIMessage)
        with self.assertRaises(BindError) as caught:
            Binder(fn, "t").bind(None, {"items": [{"nope": 1}]})
        self.assertEqual(caught.exception.field, "/items/0")


@unittest.skipIf(langgraph is None, "langgraph is not installed")
class TestLangGraph(unittest.TestCase):
    def setUp(self):
        class State(typing.TypedDict):
            text: str
            command: dict

        builder = langgraph.StateGraph(State)
        builder.add_node("shout", lambda state: {"text": state["text"].upper()})
        builder.add_edge("__start__", "shout")
        self.app = builder.compile()

    def test_invoke(self):
        binder = bound(self.app.invoke)
        args, kwargs = binder.bind(None, {"text": "hi"})
        self.assertEqual(self.app.invoke(*args, **kwargs), {"text": "HI"})
        args, kwargs = binder.bind(None, {"input": {"text": "yo"}, "stream_mode": "updates"})
        self.assertEqual(self.app.invoke(*args, **kwargs), [{"shout": {"text": "YO"}}])

    def test_commands(self):
        binder = bound(self.app.invoke)
        config = {"configurable": {"thread_id": "1"}}
        for args, kwargs, want in (
            (None, {"command": {"resume": "yes"}}, Command(resume="yes")),
            (None, {"command": {"resume": "yes"}, "config": config}, Command(resume="yes")),
            ([{"command": {"update": {"a": 1}, "goto": "n"}}], None, Command(update={"a": 1}, goto="n")),
            (
                None,
                {"command": {"goto": ["a", {"node": "b", "input": 1}]}},
                Command(goto=["a", Send("b", 1)]),
            ),
        ):
            with self.subTest(args=args, kwargs=kwargs):
                got, rest = binder.bind(args, kwargs)
                self.assertEqual(got, (want,))
                self.assertEqual(rest, {"config": config} if "config" in (kwargs or rest) else {})

    def test_a_state_field_named_command_stays_input(self):
        self.assertEqual(
            bound(self.app.invoke).bind(None, {"command": {"resume": 1}, "text": "x"})[0],
            ({"command": {"resume": 1}, "text": "x"},),
        )


if __name__ == "__main__":
    unittest.main()
