"""LlamaIndex's adapter, against classes with the shape of LlamaIndex's."""

import asyncio
import sys
import types
import unittest
from pathlib import Path
from unittest import mock

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parent)]

from runagent_shim.adapters import Wanted, llamaindex
from runagent_shim.validate import Mismatch
from stand_ins import put_modules


class Event:
    def __init__(self, **fields):
        self.__dict__.update(fields)


class AgentStream(Event):
    pass


class AgentInput(Event):
    pass


class Progress(Event):
    pass


class StopEvent(Event):
    pass


class Handler:
    """A run: its events, then its result. One that fails or waits never ends by itself."""

    def __init__(self, events, result):
        self.events, self.result = events, result
        self.done = self.canceled = self.waiting = self.read = False

    async def stream_events(self):
        self.read = True
        for event in self.events:
            if event is None:
                self.waiting = True
                await asyncio.Event().wait()
            await asyncio.sleep(0)
            yield event

    def is_done(self):
        return self.done

    async def cancel_run(self, timeout):
        self.canceled = self.done = True

    def __await__(self):
        if None in self.events:
            self.waiting = True
            yield from asyncio.Event().wait().__await__()
        yield from asyncio.sleep(0).__await__()
        self.done = True
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


class Workflow:
    """A workflow whose runs are given."""

    start_event_class = StopEvent

    def __init__(self, events=(), result="done"):
        self.events, self.result, self.handlers = events, result, []

    def run(self, **keywords):
        asyncio.get_running_loop()  # as LlamaIndex, which has no other way
        self.keywords = keywords
        self.handlers.append(Handler(self.events, self.result))
        return self.handlers[-1]


class Agent(Workflow):
    """An agent."""

    description = "Answers."


class Memory:
    def __init__(self):
        self.said = []


class ChatEngine:
    def __init__(self, memory):
        self._memory = memory

    def chat(self, message, chat_history=None):
        self._memory.said.append(message)
        return list(self._memory.said)


class Uncopyable(Memory):
    def __deepcopy__(self, memo):
        raise TypeError("holds a connection")


class TestLlamaIndex(unittest.TestCase):
    def setUp(self):
        message = types.SimpleNamespace
        homes = {
            "workflows.workflow": {"Workflow": Workflow},
            "workflows.handler": {"WorkflowHandler": Handler},
            "llama_index.core.agent.workflow.base_agent": {"BaseWorkflowAgent": Agent},
            "llama_index.core.chat_engine.types": {"BaseChatEngine": ChatEngine},
            "llama_index.core.base.llms.types": {"ChatMessage": message},
        }
        put_modules(self, homes)
        self.adapter = llamaindex.LlamaIndex()

    def call(self, value, kwargs, **wanted):
        adapted = self.adapter.adapt(value, Wanted(**wanted))
        args, kwargs = adapted.binding.bind((), kwargs)
        return adapted.fn(*args, **kwargs)

    def collect(self, stream):
        async def all_of():
            return [item async for item in stream]

        return asyncio.run(all_of())

    def test_a_run_happens_on_a_loop(self):
        agent = Agent(result="42")
        for named in (agent, agent.run):
            self.assertEqual(asyncio.run(self.call(named, {"prompt": "why?"})), "42")
            self.assertEqual(agent.keywords, {"user_msg": "why?"})

    def test_a_run_that_does_not_stream_is_not_followed_event_by_event(self):
        agent = Agent([AgentInput(), AgentStream(delta="4"), StopEvent(result=42)], 42)
        self.assertEqual(asyncio.run(self.call(agent, {"prompt": "x"})), 42)
        self.assertFalse(agent.handlers[0].read)

    def test_what_others_have_is_left_to_python(self):
        self.assertIsNone(self.adapter.adapt(Agent().__init__, Wanted()))
        self.assertIsNone(self.adapter.adapt("text", Wanted()))

    def test_messages_are_history_and_prompt(self):
        agent = Agent()
        said = [{"role": "assistant", "content": "a"}, {"role": "user", "content": "b"}]
        asyncio.run(self.call(agent, {"messages": said}))
        self.assertEqual(agent.keywords["user_msg"], "b")
        self.assertEqual([m.content for m in agent.keywords["chat_history"]], ["a"])

    def test_an_agent_streams_its_words_and_not_what_it_was_told(self):
        tool = Progress(n=1)
        events = [AgentInput(), AgentStream(delta="4"), AgentStream(delta=""), tool, AgentStream(delta="2"), StopEvent(result=1)]
        agent = Agent(events)
        self.assertEqual(self.collect(self.call(agent, {"prompt": "x"}, streams=True)), ["4", tool, "2"])

    def test_an_agent_that_does_not_stream_says_all_at_once(self):
        agent = Agent([AgentInput(), StopEvent(result=42)], 42)
        self.assertEqual(self.collect(self.call(agent, {"prompt": "x"}, streams=True)), ["42"])

    def test_a_workflow_streams_its_events(self):
        events = [Progress(n=1), StopEvent(result=2)]
        workflow = Workflow(events)
        self.assertEqual(self.collect(_said(workflow, self.adapter)), events)

    def test_a_failure_comes_after_what_was_said(self):
        agent = Agent([AgentStream(delta="4")], ValueError("broken"))
        stream = self.call(agent, {"prompt": "x"}, streams=True)

        async def read():
            self.assertEqual(await stream.__anext__(), "4")
            with self.assertRaisesRegex(ValueError, "broken"):
                await stream.__anext__()

        asyncio.run(read())

    def test_a_run_that_is_canceled_is_canceled(self):
        agent = Agent([None])

        async def hang_up():
            task = asyncio.ensure_future(self.call(agent, {"prompt": "x"}))
            while not (agent.handlers and agent.handlers[0].waiting):
                await asyncio.sleep(0)
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task

        asyncio.run(hang_up())
        self.assertTrue(agent.handlers[0].canceled)

    def test_a_stream_that_is_closed_ends_its_run(self):
        agent = Agent([AgentStream(delta="4"), None])

        async def leave():
            stream = self.call(agent, {"prompt": "x"}, streams=True)
            await stream.__anext__()
            await stream.aclose()

        asyncio.run(leave())
        self.assertTrue(agent.handlers[0].canceled)

    def test_each_chat_starts_from_the_memory_at_the_start(self):
        engine = ChatEngine(Memory())
        self.assertEqual(self.call(engine, {"message": "a"}), ["a"])
        self.assertEqual(self.call(engine.chat, {"prompt": "b"}), ["b"])
        self.assertEqual(engine._memory.said, [])

    def test_a_memory_that_cannot_be_copied_is_shared(self):
        engine = ChatEngine(Uncopyable())
        self.call(engine, {"message": "a"})
        self.assertEqual(self.call(engine, {"message": "b"}), ["a", "b"])

    def test_tokens_are_counted_in_either_form(self):
        reported = []
        with mock.patch("runagent_shim.usage.add", lambda *found: reported.append(found)):
            tokens = types.SimpleNamespace(prompt_tokens=3, completion_tokens=4, total_tokens=7)
            llamaindex._count(types.SimpleNamespace(raw=types.SimpleNamespace(usage=tokens, model="m")))
            llamaindex._count(types.SimpleNamespace(raw={"usage": {"input_tokens": 1, "output_tokens": 2}}))
            llamaindex._count(types.SimpleNamespace(raw=None, additional_kwargs={}))
        self.assertEqual(reported, [("llamaindex", "m", 3, 4, 7), ("llamaindex", None, 1, 2, None)])

    def test_a_workflow_takes_no_positions(self):
        adapted = self.adapter.adapt(Workflow(), Wanted())
        with self.assertRaises(Mismatch):
            adapted.binding.bind(["x"], {})


def _said(workflow, adapter):
    async def handler():
        async for item in adapter.items(workflow.run()):
            yield item

    return handler()


if __name__ == "__main__":
    unittest.main()
