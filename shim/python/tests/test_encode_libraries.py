"""Objects of well-known libraries as JSON. Each test needs its library."""

import datetime
import enum
import importlib
import json
import subprocess
import sys
import typing
import unittest
from pathlib import Path

SHIM = str(Path(__file__).resolve().parent.parent)
sys.path.insert(0, SHIM)

from runagent_shim import codec
from runagent_shim.encode import EncodeError, encode

CODECS = {each.name: each for each in (codec.JSONCodec(), codec.choose())}.values()


def needs(*modules):
    """Skip a test class, saying so, where a module is not installed."""

    def decorate(cls):
        for name in modules:
            try:
                importlib.import_module(name)
            except ImportError:
                print("skipped: %s needs %s" % (cls.__name__, name))
                return unittest.skip("%s is not installed" % name)(cls)
        return cls

    return decorate


class LibraryTest(unittest.TestCase):
    def check(self, value, want):
        for each in CODECS:
            with self.subTest(codec=each.name, value=repr(value)[:80]):
                got = json.loads(encode(value, each))
                self.assertEqual(got, want)

    def refuse(self, value, words):
        for each in CODECS:
            with self.subTest(codec=each.name, value=repr(value)[:80]):
                with self.assertRaisesRegex(EncodeError, words):
                    encode(value, each)


class Side(enum.Enum):
    LEFT = "left"


@needs("pydantic")
class TestPydantic(LibraryTest):
    def models(self):
        import pydantic

        class Inner(pydantic.BaseModel):
            when: datetime.datetime
            side: Side = Side.LEFT

        class Outer(pydantic.BaseModel):
            inner: Inner
            tags: typing.Set[str] = {"a"}
            _hidden: int = 1

        return Inner, Outer

    def test_models(self):
        Inner, Outer = self.models()
        inner = Inner(when="2026-01-31T12:00:00Z")
        want = {"when": "2026-01-31T12:00:00Z", "side": "left"}
        self.check(inner, want)
        self.check({"models": [Outer(inner=inner)]}, {"models": [{"inner": want, "tags": ["a"]}]})

    def test_a_field_that_pydantic_cannot_dump(self):
        import pydantic

        class Holder(pydantic.BaseModel):
            thing: typing.Any

        class Opaque:
            pass

        self.check(Holder(thing={"k": range(2)}), {"thing": {"k": [0, 1]}})
        self.refuse([Holder(thing=Opaque())], r"^result\[0\]\.thing: .*Opaque")

    def test_root_models_and_extras(self):
        import pydantic

        class Open(pydantic.BaseModel):
            model_config = pydantic.ConfigDict(extra="allow")
            a: int

        self.check(pydantic.RootModel[typing.List[int]]([1, 2]), [1, 2])
        self.check(Open(a=1, b={"c": 2}), {"a": 1, "b": {"c": 2}})

    def test_dataclasses_of_pydantic(self):
        import pydantic.dataclasses

        @pydantic.dataclasses.dataclass
        class Point:
            x: int

        self.check([Point(x=1)], [{"x": 1}])

    @unittest.skipIf(sys.version_info >= (3, 14), "pydantic.v1 does not run on 3.14")
    def test_models_of_v1(self):
        from pydantic import v1

        class Old(v1.BaseModel):
            when: datetime.date
            side: Side = Side.LEFT

        self.check([Old(when="2026-01-31")], [{"when": "2026-01-31", "side": "left"}])


@needs("attr")
class TestAttrs(LibraryTest):
    def test_attributes(self):
        import attr

        @attr.s(auto_attribs=True)
        class Point:
            x: int
            side: Side
            _cache: object = None

        self.check({"p": Point(1, Side.LEFT)}, {"p": {"x": 1, "side": "left"}})


@needs("numpy")
class TestNumpy(LibraryTest):
    def test_scalars(self):
        import numpy

        for value, want in (
            (numpy.int64(3), 3),
            (numpy.uint64(2**64 - 1), 2**64 - 1),
            (numpy.float64(1.5), 1.5),
            (numpy.float32(0.5), 0.5),
            (numpy.longdouble(0.5), 0.5),
            (numpy.bool_(True), True),
            (numpy.str_("x"), "x"),
            (numpy.bytes_(b"x"), "eA=="),
            (numpy.datetime64("2026-01-31T12:00"), "2026-01-31T12:00"),
            (numpy.datetime64("NaT"), None),
        ):
            self.check(value, want)
            self.check({"v": [value]}, {"v": [want]})
        self.check({numpy.int64(1): 2, numpy.str_("k"): 3}, {"1": 2, "k": 3})

    def test_arrays(self):
        import numpy

        self.check(numpy.arange(4).reshape(2, 2), [[0, 1], [2, 3]])
        self.check(numpy.array(1.5), 1.5)
        self.check(numpy.array(["a", None], dtype=object), ["a", None])
        self.check(numpy.array(["2026-01-31"], dtype="M8[D]"), ["2026-01-31"])
        self.check(numpy.array(["2026-01-31", "NaT"], dtype="M8[D]"), ["2026-01-31", None])
        self.check(numpy.array([], dtype="f4"), [])
        self.check(numpy.array([0.5], dtype=numpy.longdouble), [0.5])
        self.check(numpy.array([[True], [False]]), [[True], [False]])
        self.check(numpy.array([(1, 0.5)], dtype=[("a", "i4"), ("b", "f4")]), [[1, 0.5]])

    def test_refusals(self):
        import numpy

        self.refuse({"a": numpy.array([1.0, numpy.nan])}, r"^result\.a\[1\]: nan")
        self.refuse(numpy.float32("inf"), r"^result: inf")
        self.refuse([numpy.complex128(1)], r"^result\[0\]: .*complex")


@needs("pandas")
class TestPandas(LibraryTest):
    def test_frames_are_records(self):
        import pandas

        frame = pandas.DataFrame(
            {
                "n": [1, 2],
                "x": [1.5, None],
                "t": pandas.to_datetime(["2026-01-31", None]),
                3: ["a", None],
            },
            index=["r1", "r2"],
        )
        want = [
            {"n": 1, "x": 1.5, "t": "2026-01-31T00:00:00", "3": "a"},
            {"n": 2, "x": None, "t": None, "3": None},
        ]
        self.check(frame, want)
        self.check({"f": [frame]}, {"f": [want]})
        self.check(pandas.DataFrame(), [])
        self.check(pandas.DataFrame({"a": pandas.array([1, None], dtype="Int64")}), [{"a": 1}, {"a": None}])

    def test_series(self):
        import pandas

        self.check(pandas.Series([1, 2, 3])[lambda s: s > 1], [2, 3])
        self.check(pandas.Series([1.5, None], index=["a", "b"]), {"a": 1.5, "b": None})
        self.check(pandas.Index(["a", "b"]), ["a", "b"])
        self.check(pandas.Series(["a", "b"], dtype="category"), ["a", "b"])

    def test_scalars(self):
        import pandas

        self.check(pandas.Timestamp("2026-01-31T12:00Z"), "2026-01-31T12:00:00Z")
        self.check([pandas.NaT, pandas.NA], [None, None])
        self.check(pandas.Timedelta(hours=1), "PT1H")
        self.check(pandas.Period("2026-01"), "2026-01")


@needs("langchain_core")
class TestLangChain(LibraryTest):
    def test_messages(self):
        from langchain_core import messages

        self.check(messages.HumanMessage("hi"), {"type": "human", "content": "hi", "id": None})
        call = {"name": "f", "args": {"x": 1}, "id": "c1", "type": "tool_call"}
        self.check(
            {"messages": [messages.AIMessage("", id="m1", tool_calls=[call])]},
            {"messages": [{"type": "ai", "content": "", "id": "m1", "tool_calls": [call]}]},
        )
        tool = messages.ToolMessage([{"type": "text", "text": "3"}], tool_call_id="c1", name="f")
        got = json.loads(encode(tool, codec.JSONCodec()))
        self.assertEqual(
            {key: got[key] for key in ("type", "content", "tool_call_id", "name", "status")},
            {
                "type": "tool",
                "content": [{"type": "text", "text": "3"}],
                "tool_call_id": "c1",
                "name": "f",
                "status": "success",
            },
        )

    def test_chunks(self):
        from langchain_core import messages

        chunk = messages.AIMessageChunk("he", id="m1")
        got = json.loads(encode((chunk, {"langgraph_node": "agent"}), codec.JSONCodec()))
        self.assertIsInstance(got, list)
        want = {"type": "AIMessageChunk", "content": "he", "id": "m1", "tool_calls": []}
        self.assertEqual({key: got[0][key] for key in want}, want)
        self.assertEqual(got[1], {"langgraph_node": "agent"})

    def test_documents_and_prompts(self):
        from langchain_core import documents

        got = json.loads(encode([documents.Document("x", metadata={"a": 1})], codec.JSONCodec()))
        self.assertEqual((got[0]["page_content"], got[0]["metadata"]), ("x", {"a": 1}))


class TestNothingIsImported(unittest.TestCase):
    def test_encode_loads_no_library(self):
        program = (
            "import sys; sys.path.insert(0, %r)\n"
            "from runagent_shim import codec, encode, bind, schema\n"
            "encode.encode({1: {2, 3}}, codec.JSONCodec())\n"
            "f = lambda x: x\n"
            "bind.Binder(f, 't').bind(None, {'x': 1}); schema.describe(f)\n"
            "print([m for m in ('pydantic', 'numpy', 'pandas', 'langchain_core', 'attr') if m in sys.modules])\n"
        ) % SHIM
        out = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True)
        self.assertEqual(out.stdout.strip(), b"[]")


if __name__ == "__main__":
    unittest.main()
