"""LangGraph's check of states, AG2's and Letta's adapters, against classes with the shape of theirs."""

import asyncio
import sys
import types
import unittest
from pathlib import Path
from typing import List, TypedDict
from unittest import mock

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parent)]

from runagent_shim.adapters import Wanted, ag2, ag2_classic, langgraph, letta
from runagent_shim.calls import CURRENT
from runagent_shim.validate import Mismatch
from stand_ins import put_modules


def thing(**fields):
    return types.SimpleNamespace(**fields)


class State(TypedDict):
    count: int
    words: List[str]


class TestGraphs(unittest.TestCase):
    def binding(self, name="invoke", **states):
        graph = thing(builder=thing(**states), invoke=lambda input: input, stream=lambda input: input)
        return langgraph.GraphBinding(graph, name)

    def refused(self, kwargs, **states):
        with self.assertRaises(Mismatch) as caught:
            self.binding(**states).bind((), kwargs)
        return caught.exception.pointer, caught.exception.message

    def test_fields_are_checked(self):
        fits = {"count": 1, "words": ["a"]}
        self.assertEqual(self.binding(input_schema=State).bind((), dict(fits)), ((fits,), {}))
        self.assertEqual(self.refused({"count": "one"}, input_schema=State), ("/count", 'expected an integer, got the string "one"'))
        self.assertEqual(self.refused({"input": {"words": [1]}}, input_schema=State)[0], "/words/0")
        self.assertEqual(self.refused({"cuont": 1}, input_schema=State)[0], "/cuont")
        self.assertIn("did you mean count", self.refused({"cuont": 1}, input_schema=State)[1])

    def test_a_state_of_no_known_kind_takes_anything(self):
        self.assertEqual(self.binding(input_schema=dict).bind((), {"any": 1}), (({"any": 1},), {}))
        self.assertEqual(self.binding().bind((), {"any": 1}), (({"any": 1},), {}))

    def test_the_result_has_the_schema_of_the_output(self):
        found = self.binding(input_schema=State, output_schema=State).output_schema()
        self.assertEqual(found["properties"]["count"], {"type": "integer"})
        self.assertIsNone(self.binding("stream", output_schema=State).output_schema())


class Event:
    def __init__(self, **fields):
        vars(self).update(fields)


class UsageEvent(Event):
    pass


class Called(Event):
    pass


class Result(Event):
    pass


class Answered(Event):
    pass


class Asked(Event):
    pass


class Silent(Event):
    pass


class Stream:
    """A stream that keeps what is sent on it."""

    def __init__(self):
        self.heard = []

    async def send(self, event, context):
        self.heard.append(event)


class Agent:
    pass


class TestAG2(unittest.TestCase):
    def test_tokens_of_sub_agents_count_once(self):
        async def send(context, event):
            return event

        class Context:
            pass

        Context.send = send
        put_modules(self, {"ag2.context": {"ConversationContext": Context}, "ag2.events": {"UsageEvent": UsageEvent}})
        ag2.ADAPTER.watch()
        call = thing(usage=None)
        token = CURRENT.set(call)
        self.addCleanup(CURRENT.reset, token)
        took = thing(prompt_tokens=2.0, completion_tokens=3.0, total_tokens=5.0)
        for kind in ("model_call", "subtask"):
            asyncio.run(Context.send(Context(), UsageEvent(kind=kind, model="m", usage=took)))
        self.assertEqual(list(call.usage["ag2"].values()), [("m", 2, 3, 5)])

    def turn(self, *told):
        """Return a turn's tool calls, in which the agent told of the events, and its stream."""

        class Context:
            def __init__(self, stream):
                self.stream = stream

            async def send(self, event):
                await self.stream.send(event, self)

        streams = []

        async def ask(prompt, stream, variables):
            streams.append(stream)
            for event in told:
                await Context(stream).send(event)
                await Context(Stream()).send(event)  # a sub-agent's is another turn
            return thing(content=content)

        async def content():
            return "done"

        events = {"UsageEvent": UsageEvent, "ToolCallEvent": Called, "ToolResultEvent": Result, "ModelResponse": Answered}
        put_modules(self, {"ag2.context": {"ConversationContext": Context}, "ag2.events": events, "ag2.stream": {"MemoryStream": Stream}})
        ag2.ADAPTER.watch()
        found = asyncio.run(ag2._run(thing(ask=ask), "do"))
        self.assertEqual((found["type"], found["content"]), ("AgentReply", "done"))
        return found["tool_calls"], streams[0]

    def test_a_turn_tells_its_own_calls_of_tools(self):
        call, result = Called(id="1", name="add", arguments='{"a": 1}'), Result(parent_id="1", name="add", result=thing(parts=[3]))
        calls, stream = self.turn(call, Asked(), result)
        self.assertEqual(calls, [{"id": "1", "name": "add", "args": {"a": 1}, "content": 3, "is_error": False}])
        self.assertEqual(len(stream.heard), 3, "the stream itself hears all")

    def test_a_stream_is_heard_before_it_hears(self):
        put_modules(self, {"ag2.stream": {"MemoryStream": Stream}})
        seen = []
        stream = asyncio.run(ag2._stream((), hear=lambda event: seen.append((event, list(stream.heard)))))
        asyncio.run(stream.send("event", None))
        self.assertEqual(seen, [("event", [])])
        self.assertEqual(stream.heard, ["event"])

    def test_the_last_message_is_the_users(self):
        for roles, pointer in ((("user", "assistant"), "/messages/1/role"), (("system", "user"), "/messages/0/role")):
            with self.assertRaises(Mismatch) as caught:
                ag2._of_messages([{"role": role, "content": "x"} for role in roles])
            self.assertEqual(caught.exception.pointer, pointer)

    def test_arguments_that_are_no_json_stay_text(self):
        self.assertEqual(ag2._call(thing(id="1", name="add", arguments="{oops")), {"id": "1", "name": "add", "args": "{oops"})

    def test_an_error_of_a_tool_is_told_without_its_traceback(self):
        text = thing(content="Traceback (most recent call last): …")
        event = thing(parent_id="1", name="add", error=ValueError("too many"), result=thing(parts=[text]))
        self.assertEqual(ag2._result(event), {"id": "1", "name": "add", "content": "ValueError: too many", "is_error": True})

    def test_calls_stand_in_the_order_in_which_they_were_asked_for(self):
        first, second = Called(id="1", name="add", arguments="{}"), Called(id="2", name="sub", arguments="{}")
        told = [Answered(tool_calls=thing(calls=[first, second])), second, Result(parent_id="2", name="sub", result=thing(parts=[2]))]
        told += [first, Result(parent_id="1", name="add", result=thing(parts=[thing(content="1")]))]
        calls, _ = self.turn(*told)
        self.assertEqual([(call["id"], call["content"]) for call in calls], [("1", "1"), ("2", 2)])

    def test_history_tells_what_was_asked_and_called(self):
        kinds = ("ModelMessageChunk", "ToolCallEvent", "ToolResultEvent", "ModelRequest")
        put_modules(self, {"ag2.events": dict(zip(kinds, (Silent, Called, Result, Asked)))})
        walk = thing(plain=lambda value, path: value)
        call, result = Called(), Result()
        for event, want in (
            (Asked(parts=[thing(content="hi")]), {"type": "Asked", "content": "hi"}),
            (Answered(tool_calls=thing(calls=[call])), {"type": "Answered", "tool_calls": [call]}),
            (Answered(content="hello", tool_calls=thing(calls=[])), {"type": "Answered", "content": "hello"}),
            (Event(calls=[call]), {"type": "Event", "tool_calls": [call]}),
            (Event(results=[result]), {"type": "Event", "results": [result]}),
        ):
            self.assertEqual(ag2._event(walk, event, None), want)

    def test_an_agent_of_before_runs_is_left_alone(self):
        put_modules(self, {"autogen.agentchat.conversable_agent": {"ConversableAgent": Agent}})
        self.assertIsNone(ag2_classic.ADAPTER.adapt(Agent(), Wanted()))

    def test_words_that_came_in_pieces_come_once(self):
        reading = ag2_classic._Reading()
        said = [item for kind, text in (("text", "hi"), ("stream", "Hel"), ("stream", "lo"), ("text", "Hello"), ("text", "Bye"))
                for item in reading.take(thing(type=kind, content=thing(content=text)))]
        self.assertEqual(said, ["Hel", "lo", "Bye"])

    def test_a_chat_that_nobody_has_waited_for_is_no_result(self):
        walk = thing(plain=lambda value, path: value)
        run = thing(_summary=None, _messages=[], _last_speaker=None)
        with self.assertRaisesRegex(TypeError, r"^result\.answer: this chat is not over: call process\(\)"):
            ag2_classic._finished(walk, run, ("answer", ("result", None)))
        run = thing(_summary="2", _messages=[{"content": "1 + 1?"}, {"content": "2"}], _last_speaker="adder")
        self.assertEqual(ag2_classic._finished(walk, run, ("result", None))["content"], "2")


class MessagesResource:
    def create(self, agent_id, *, messages, max_steps=None, streaming=False, stream_tokens=False):
        return agent_id, messages, max_steps


class TestLetta(unittest.TestCase):
    def setUp(self):
        put_modules(self, {"letta_client.resources.agents.messages": {"MessagesResource": MessagesResource}})
        self.adapted = letta.ADAPTER.adapt(MessagesResource().create, Wanted())

    def call(self, **kwargs):
        args, keywords = self.adapted.binding.bind((), kwargs)
        return self.adapted.fn(*args, **keywords)

    def test_a_prompt_is_a_message_of_the_user(self):
        said = [{"role": "user", "content": "hi"}]
        self.assertEqual(self.call(agent_id="a", prompt="hi", max_steps=2), ("a", said, 2))
        self.assertEqual(self.call(agent_id="a", messages=list(said)), ("a", said, None))

    def test_an_agent_must_be_named(self):
        for given in ({"prompt": "hi"}, {"prompt": "hi", "agent_id": 1}):
            with self.assertRaises(Mismatch) as caught:
                self.call(**given)
            self.assertEqual(caught.exception.pointer, "/agent_id")
        self.assertEqual(self.adapted.binding.input_schema()["required"], ["agent_id"])

    def test_what_the_server_says_went_wrong_is_raised(self):
        class LettaError(Exception):
            pass

        put_modules(self, {"letta_client": {"LettaError": LettaError}})
        with self.assertRaisesRegex(LettaError, "llm_error: no model"):
            letta._tells(thing(message_type="error_message", error_type="llm_error", message="no model"))
        self.assertTrue(letta._tells(thing(message_type="assistant_message")))
        self.assertFalse(letta._tells(thing(message_type="ping")))


    def test_a_server_that_counts_nothing_tells_no_tokens(self):
        with mock.patch("runagent_shim.usage.add") as add:
            letta._count(thing(prompt_tokens=0, completion_tokens=0, total_tokens=0))
            add.assert_not_called()
            letta._count(thing(prompt_tokens=1, completion_tokens=2, total_tokens=3))
        add.assert_called_once_with("letta", None, 1, 2, 3)

    def test_calls_at_once_and_their_results_are_all_told(self):
        calls = [thing(tool_call_id=n, name="add", arguments="{}") for n in "ab"]
        results = [thing(tool_call_id=n, tool_return=n, status="success") for n in "ab"]
        walk = thing(plain=lambda value, path: value)
        for several in (1, 2):
            message = thing(message_type="tool_call_message", id="m", tool_call=calls[0], tool_calls=calls[:several])
            called = letta._piece(walk, message, None)
            message = thing(message_type="tool_return_message", id="m", tool_call_id="a", tool_return="a", status="success")
            message.tool_returns = results[:several]
            ended = letta._piece(walk, message, None)
            self.assertEqual((called["type"], ended["type"]), ("tool_call", "tool_result"))
            if several == 1:
                self.assertEqual((called["id"], called["args"], ended["id"], ended["content"]), ("a", "{}", "a", "a"))
                continue
            self.assertEqual([one["id"] for one in called["calls"]], ["a", "b"])
            self.assertEqual([(one["id"], one["content"], one["is_error"]) for one in ended["results"]], [("a", "a", False), ("b", "b", False)])


if __name__ == "__main__":
    unittest.main()
