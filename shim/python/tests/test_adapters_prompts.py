"""Inputs of agents: prompts, messages, keywords of the call."""

import asyncio
import inspect
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from runagent_shim import schema
from runagent_shim.adapters.prompts import PromptBinding, serving
from runagent_shim.bind import Binder
from runagent_shim.refusal import BindError
from runagent_shim.validate import Mismatch


def split(found):
    return found[-1]["content"], {"history": found[:-1]}


class TestPromptBinding(unittest.TestCase):
    binding = PromptBinding(("task",), ("limit",), split)

    def refused(self, args, kwargs):
        with self.assertRaises(Mismatch) as caught:
            self.binding.bind(args, kwargs)
        return caught.exception.pointer, caught.exception.message

    def test_a_prompt_is_named_either_way_or_comes_by_position(self):
        for args, kwargs in (((), {"task": "do"}), ((), {"prompt": "do"}), (["do"], {})):
            self.assertEqual(self.binding.bind(args, kwargs), (("do",), {}))
        self.assertEqual(self.binding.bind(["do"], {"limit": 3}), (("do",), {"limit": 3}))

    def test_messages_become_what_the_framework_takes(self):
        said = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
        self.assertEqual(
            self.binding.bind((), {"messages": said, "limit": 1}), (("c",), {"history": said[:2], "limit": 1})
        )

    def test_refusals_name_the_place_and_what_there_is(self):
        self.assertEqual(self.refused((), {"promt": "x"}), ("/promt", "no such input; did you mean prompt?"))
        self.assertEqual(
            self.refused((), {"zzz": "x"}), ("/zzz", "no such input; there are: task, prompt, messages, limit")
        )
        self.assertEqual(self.refused((), {}), ("/task", "missing; give task or prompt or messages"))
        self.assertEqual(self.refused((), {"prompt": 3}), ("/prompt", "expected a string, got a number"))
        self.assertEqual(self.refused((), {"prompt": None}), ("/prompt", "expected a string, got null"))
        self.assertEqual(
            self.refused(["x"], {"prompt": "y"}), ("/prompt", "the prompt is given twice: as position and as prompt")
        )
        self.assertEqual(
            self.refused((), {"task": "x", "prompt": "y"}), ("/task", "the prompt is given twice: as task and as prompt")
        )
        self.assertEqual(self.refused(["x", "y"], {})[0], "/1")

    def test_messages_are_looked_at(self):
        self.assertEqual(self.refused((), {"messages": []})[0], "/messages")
        self.assertEqual(self.refused((), {"messages": ["hi"]})[0], "/messages/0")
        bad = [{"role": "user", "content": "a"}, {"role": "boss", "content": "b"}]
        pointer, message = self.refused((), {"messages": bad})
        self.assertEqual(pointer, "/messages/1/role")
        self.assertIn("assistant", message)

    def test_without_messages_there_is_no_such_input(self):
        with self.assertRaises(Mismatch):
            PromptBinding(("task",)).bind((), {"messages": []})
        whole = PromptBinding(("messages",), takes=None)
        self.assertEqual(whole.bind((), {"messages": ["as", "it", "is"]}), ((["as", "it", "is"],), {}))

    def test_keywords_may_have_types(self):
        kinds = {"state": "object", "turns": "integer", "who": "string", "said": "array", "add": "boolean", "any": None}
        binding = PromptBinding(("task",), kinds)
        good = {"state": {}, "turns": 3, "who": "me", "said": [], "add": True, "any": {1}}
        for given in (good, dict.fromkeys(kinds)):
            self.assertEqual(binding.bind(["do"], dict(given)), (("do",), given))
        wrong = (("state", "no", "an object, got a string"), ("turns", "3", "an integer, got a string"))
        wrong += (("turns", True, "an integer, got a boolean"), ("turns", 2.5, "an integer, got a number"))
        wrong += (("who", 5, "a string, got a number"), ("said", {}, "a list, got an object"), ("add", 1, "a boolean, got a number"))
        for name, value, words in wrong:
            with self.assertRaises(Mismatch) as caught:
                binding.bind(["do"], {name: value})
            self.assertEqual((caught.exception.pointer, caught.exception.message), ("/" + name, "expected " + words))
        shown = binding.input_schema()["properties"]
        self.assertEqual((shown["turns"], shown["any"]), ({"type": ["integer", "null"]}, {}))

    def test_the_schema_says_the_same(self):
        found = self.binding.input_schema()
        self.assertEqual(sorted(found["properties"]), ["limit", "messages", "prompt", "task"])
        self.assertEqual(found["oneOf"], [{"required": [name]} for name in ("task", "prompt", "messages")])
        self.assertFalse(found["additionalProperties"])


class TestServing(unittest.TestCase):
    def test_it_is_shown_as_what_it_serves(self):
        async def run(agent, task, limit=None):
            return agent, task, limit

        binding = PromptBinding(("task",), ("limit",))
        fn = serving(run, "me", name="agent.run", binding=binding, doc="Does it.\n\nMore.")
        described = schema.describe(fn, binding)
        self.assertEqual(described["signature"], "agent.run(task, *, limit=None)")
        self.assertEqual(described["description"], "Does it.")
        self.assertEqual(described["input_schema"], binding.input_schema())
        args, kwargs = Binder(fn, "tag", binding).bind((), {"prompt": "x", "limit": 2})
        self.assertEqual(asyncio.run(fn(*args, **kwargs)), ("me", "x", 2))
        with self.assertRaises(BindError) as caught:
            Binder(fn, "tag", binding).bind((), {"promt": "x"})
        self.assertEqual(
            str(caught.exception),
            "input /promt: no such input; did you mean prompt?; signature: agent.run(task, *, limit=None)",
        )

    def test_any_fields_are_taken_where_the_binding_names_none(self):
        fn = serving(print, name="kickoff", binding=object())
        self.assertEqual(str(inspect.signature(fn)), "(**fields)")


if __name__ == "__main__":
    unittest.main()
