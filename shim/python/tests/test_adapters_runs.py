"""smolagents' and Google ADK's adapters, against classes with the shape of theirs."""

import asyncio
import sys
import types
import unittest
from pathlib import Path
from unittest import mock

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parent)]

from runagent_shim.adapters import Wanted, adk, smolagents
from runagent_shim.validate import Mismatch
from stand_ins import put_modules


def thing(**fields):
    return types.SimpleNamespace(**fields)


class Monitor:
    def __init__(self, model, logger):
        self.total_input_token_count = self.total_output_token_count = 0

    def update_metrics(self, step):
        self.total_input_token_count += 1
        self.total_output_token_count += 2


class LocalPythonExecutor:
    pass


class Agent:
    """A smolagents agent."""

    description = None

    def __init__(self, managed=()):
        self.model, self.logger, self.state, self.memory = thing(model_id="m"), None, {}, []
        self.monitor = Monitor(self.model, None)
        self.seen = []
        self.step_callbacks = thing(_callbacks={"step": [self.seen.append, self.monitor.update_metrics]})
        self.managed_agents = {one.name: one for one in managed}
        self.python_executor = LocalPythonExecutor()

    def create_python_executor(self):
        return LocalPythonExecutor()

    def run(self, task, stream=False, additional_args=None, max_steps=None):
        self.memory.append(task)
        self.state["task"] = task
        for callback in self.step_callbacks._callbacks["step"]:
            callback("step")
        return self._events() if stream else list(self.memory)

    def _events(self):
        yield ChatMessageStreamDelta(content="a")
        yield ChatMessageStreamDelta(content=None)
        yield ToolCall(id="1", name="add", arguments={"a": 1})
        yield ToolOutput(id="1", output=3, tool_call=ToolCall(id="1", name="add", arguments={"a": 1}))
        yield ActionStep(error=None)
        yield ActionStep(error=ValueError("bad"))
        yield FinalAnswerStep(output=3)


class _Fields:
    def __init__(self, **fields):
        self.__dict__.update(fields)


class ChatMessageStreamDelta(_Fields):
    pass


class ToolCall(_Fields):
    pass


class ToolOutput(_Fields):
    pass


class ActionStep(_Fields):
    pass


class FinalAnswerStep(_Fields):
    pass


class TestSmolagents(unittest.TestCase):
    def setUp(self):
        put_modules(self, {"smolagents.agents": {"MultiStepAgent": Agent}})

    def call(self, value, wanted=None, **kwargs):
        adapted = smolagents.ADAPTER.adapt(value, wanted or Wanted())
        args, keywords = adapted.binding.bind((), kwargs)
        return adapted.fn(*args, **keywords)

    def test_no_call_sees_another(self):
        helper = Agent()
        helper.name = "helper"
        agent = Agent([helper])
        for task in ("a", "b"):
            self.assertEqual(self.call(agent.run, task=task), [task])
        self.assertEqual((agent.memory, agent.state), ([], {}))
        mine = smolagents.fresh(agent)
        self.assertIsNot(mine.managed_agents["helper"], helper)
        self.assertIsNot(mine.python_executor, agent.python_executor)
        self.assertIs(mine.model, agent.model)

    def test_callbacks_may_be_a_list(self):
        agent = Agent()
        agent.step_callbacks = agent.step_callbacks._callbacks["step"]
        mine = smolagents.fresh(agent)
        self.assertEqual(mine.step_callbacks, [agent.seen.append, mine.monitor.update_metrics])
        walk = thing(plain=lambda value, path: value)
        self.assertEqual(smolagents._final(walk, thing(final_answer=3), None), {"type": "FinalAnswerStep", "content": 3})

    def test_only_the_steps_of_a_memory_are_copied(self):
        class AgentMemory:
            def __init__(self, steps):
                self.system_prompt, self.steps = object(), steps

        put_modules(self, {"smolagents.memory": {"AgentMemory": AgentMemory}})
        for steps in ([], [["said"]]):
            agent = Agent()
            agent.memory = AgentMemory(steps)
            mine = smolagents.fresh(agent).memory
            self.assertIs(mine.system_prompt, agent.memory.system_prompt)
            self.assertEqual(mine.steps, steps)
            self.assertFalse(mine.steps is steps or (steps and mine.steps[0] is steps[0]))

    def test_a_call_has_nothing_of_what_the_author_ran(self):
        agent = Agent()
        adapted = smolagents.ADAPTER.adapt(agent, Wanted())
        agent.state["secret"] = 1
        with mock.patch("runagent_shim.adapters.smolagents.fresh", wraps=smolagents.fresh) as copied:
            adapted.fn("x")
        self.assertEqual(copied.call_args.args[0].state, {})

    def test_each_run_counts_its_own_tokens(self):
        agent = Agent()
        with mock.patch("runagent_shim.usage.add") as add:
            self.call(agent, prompt="a")
            self.call(agent, prompt="b")
        self.assertEqual(add.call_args_list, [mock.call("smolagents", "m", 1, 2)] * 2)
        self.assertEqual(agent.monitor.total_input_token_count, 0)
        self.assertEqual(agent.seen, ["step", "step"], "the author's callbacks stay")

    def test_a_stream_says_each_thing_once(self):
        found = list(self.call(Agent(), Wanted(streams=True), prompt="x"))
        self.assertEqual(found[0], "a")
        said = [type(one).__name__ for one in found[1:]]
        self.assertEqual(said, ["ToolCall", "ToolOutput", "ActionStep", "FinalAnswerStep"])

    def test_a_call_of_a_tool_is_an_object_with_a_type(self):
        found = list(self.call(Agent(), Wanted(streams=True), prompt="x"))
        handlers = {"ToolCall": ToolCall, "ToolOutput": ToolOutput}
        put_modules(self, {"smolagents.agents": {"MultiStepAgent": Agent, **handlers}})
        walk = mock.Mock(plain=lambda value, path: value)
        call, result = (smolagents.ADAPTER.handler(type(one))(walk, one, None) for one in found[1:3])
        self.assertEqual(call, {"type": "tool_call", "id": "1", "name": "add", "args": {"a": 1}})
        self.assertEqual((result["type"], result["content"], result["args"]), ("tool_result", 3, {"a": 1}))

    def test_only_what_the_agent_takes(self):
        with self.assertRaises(Mismatch) as caught:
            self.call(Agent(), prompt="x", reset=False)
        self.assertEqual(caught.exception.pointer, "/reset")


class Root:
    """An ADK agent."""

    name, description = "root", "Answers."


def event(text="", partial=False, calls=(), responses=(), tokens=None, error=None, author="root"):
    return thing(
        branch=None,
        error_code=error,
        error_message=error and "no " + error,
        content=thing(parts=[thing(text=text, thought=False)]),
        partial=partial,
        author=author,
        usage_metadata=tokens,
        model_version="m",
        id="e1",
        get_function_calls=lambda: list(calls),
        get_function_responses=lambda: list(responses),
    )


class Sessions:
    def __init__(self):
        self.there, self.made = set(), []

    async def get_session(self, app_name, user_id, session_id):
        return session_id if session_id in self.there else None

    async def create_session(self, app_name, user_id, session_id):
        self.there.add(session_id)
        self.made.append(session_id)

    async def delete_session(self, app_name, user_id, session_id):
        self.there.remove(session_id)


class Runner:
    """Plays the events that the test says."""

    events, made = [], []

    def __init__(self, agent, app_name):
        self.session_service, self.closed = Sessions(), 0
        Runner.made.append(self)

    async def run_async(self, **turn):
        try:
            for one in Runner.events:
                yield one
        finally:
            self.closed += 1


class TestADK(unittest.TestCase):
    def setUp(self):
        types_ = thing(Content=thing, Part=thing)
        homes = {
            "google.adk.agents.base_agent": {"BaseAgent": Root},
            "google.adk.agents.run_config": {"RunConfig": thing, "StreamingMode": thing(SSE="sse", NONE="none")},
            "google.adk.runners": {"InMemoryRunner": Runner},
            "google.genai": {"types": types_},
            **{name: {} for name in ("google", "google.adk", "google.adk.agents")},
        }
        put_modules(self, homes)
        Runner.made = []

    def served(self, **wanted):
        return adk.ADAPTER.adapt(Root(), Wanted(**wanted))

    def test_the_answer_is_what_was_said_last(self):
        response = thing(id="1", name="add", response={"sum": 3})
        tokens = thing(prompt_token_count=1, candidates_token_count=2, total_token_count=3)
        Runner.events = [event(responses=[response]), event("3", tokens=tokens)]
        adapted = self.served()
        with mock.patch("runagent_shim.usage.add") as add:
            found = asyncio.run(adapted.fn("x"))
        tool = {"id": "1", "name": "add", "content": {"sum": 3}}
        self.assertEqual(found, {"type": "AgentOutput", "content": "3", "author": "root", "tool_calls": [tool]})
        add.assert_called_once_with("adk", "m", 1, 2, 3, key="e1")

    def test_sessions_that_are_not_awaited_are_of_another_version(self):
        class Before:
            def create_session(self):
                pass

        for service, served in ((Before, False), (Sessions, True)):
            put_modules(self, {"google.adk.sessions.base_session_service": {"BaseSessionService": service}})
            self.assertEqual(self.served() is not None, served)

    def test_agents_that_speak_together_are_heard_once(self):
        Runner.events = [event("a", True, author="x"), event("b", True, author="y"), event("a", author="x"), event("b", author="y")]

        async def read():
            return [item async for item in self.served(streams=True).fn("x")]

        self.assertEqual(asyncio.run(read()), ["a", "b"])

    def test_what_a_turn_takes_is_checked(self):
        for name, wrong in (("session_id", 5), ("user_id", 7), ("state_delta", "no")):
            with self.assertRaises(Mismatch) as caught:
                self.served().binding.bind((), {"prompt": "x", name: wrong})
            self.assertEqual(caught.exception.pointer, "/" + name)
        self.assertEqual(self.served().binding.bind((), {"prompt": "x", "session_id": "s", "user_id": None}), (("x",), {"session_id": "s"}))

    def test_what_a_model_refuses_is_an_error(self):
        async def read(adapted):
            found = []
            try:
                async for item in adapted.fn("x"):
                    found.append(item)
            except RuntimeError as error:
                found.append(str(error))
            return found

        for said, streamed in (
            ([event(error="SAFETY")], ["SAFETY: no SAFETY"]),
            ([event("a", True), event(error="MAX_TOKENS"), event()], ["a", "MAX_TOKENS: no MAX_TOKENS"]),
        ):
            Runner.events = said
            with self.assertRaisesRegex(RuntimeError, streamed[-1]):
                asyncio.run(self.served().fn("x"))
            self.assertEqual(asyncio.run(read(self.served(streams=True))), streamed)
            self.assertEqual(Runner.made[-1].session_service.there, set())
        Runner.events = [event(error="OTHER"), event("said after all")]
        self.assertEqual(asyncio.run(self.served().fn("x"))["content"], "said after all")

    def test_words_come_once(self):
        call = thing(id="1", name="add", args={})
        Runner.events = [event("a", True), event("b", True), event("ab", calls=[call]), event("whole")]
        adapted = self.served(streams=True)

        async def read():
            return [item async for item in adapted.fn("x")]

        want = ["a", "b", {"type": "tool_call", "id": "1", "name": "add", "args": {}}, "whole"]
        self.assertEqual(asyncio.run(read()), want)

    def test_a_session_is_kept_only_where_it_is_named(self):
        Runner.events = [event("a")]
        adapted = self.served()

        async def four():
            for session in (None, None, "s", "s"):
                await adapted.fn("x", session_id=session)

        asyncio.run(four())
        (runner,) = Runner.made
        self.assertEqual(len(runner.session_service.made), 3)
        self.assertEqual(runner.session_service.there, {"s"})

    def test_a_stream_that_is_closed_ends_its_turn(self):
        Runner.events = [event("a", True), event("b", True)]
        adapted = self.served(streams=True)

        async def leave():
            stream = adapted.fn("x")
            await stream.__anext__()
            await stream.aclose()

        asyncio.run(leave())
        self.assertEqual(Runner.made[0].closed, 1)

    def test_what_was_said_before_is_in_the_session(self):
        said = [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]
        with self.assertRaises(Mismatch):
            self.served().binding.bind((), {"messages": said})


if __name__ == "__main__":
    unittest.main()
