"""CrewAI's, Agno's and AutoGen's adapters, against classes with the shape of theirs."""

import asyncio
import sys
import threading
import types
import unittest
from pathlib import Path
from unittest import mock

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parent)]

from runagent_shim import codec
from runagent_shim.adapters import Wanted, agno, autogen, crewai
from runagent_shim.encode import encode
from runagent_shim.validate import Mismatch
from stand_ins import put_modules


def thing(**fields):
    return types.SimpleNamespace(**fields)


def plain(adapter, value):
    """Return the JSON of value, as adapter writes it."""
    with mock.patch("runagent_shim.plain._EXACT", {}), mock.patch("runagent_shim.adapters.loaded", lambda: [adapter]):
        return encode(value, codec.JSONCodec()).decode()


class Case(unittest.TestCase):
    def load(self, **homes):
        """Have the modules of a framework, dots as double underscores, and names in them."""
        put_modules(self, {name.replace("__", "."): names for name, names in homes.items()})

    def call(self, value, *args, wanted=None, **kwargs):
        adapted = self.adapter.adapt(value, wanted or Wanted())
        given, keywords = adapted.binding.bind(list(args), kwargs)
        return adapted.fn(*given, **keywords)

    def collect(self, value, **kwargs):
        async def all_of():
            return [item async for item in self.call(value, wanted=Wanted(streams=True), **kwargs)]

        return asyncio.run(all_of())


class BaseLLM:
    async def acall(self):
        raise NotImplementedError


class Awaitable(BaseLLM):
    async def acall(self):
        return "said"


class Output:
    def __init__(self, chunks):
        self.chunks, self.closed, self._async_iterator = chunks, False, chunks
        self.result = thing(raw="whole")

    async def __aiter__(self):
        for chunk in self.chunks:
            yield chunk

    def __iter__(self):
        return iter(self.chunks)

    def close(self):
        self.closed = True

    async def aclose(self):
        self.closed = True


class Crew:
    def __init__(self, model=None):
        self.agents, self.manager_llm, self.stream = [thing(llm=model or Awaitable())], None, False
        self.before_kickoff_callbacks, self.inputs, self.copies, self.each = [], None, [], None

    def copy(self):
        self.copies.append(Crew(self.agents[0].llm))
        mine = self.copies[-1]
        mine.before_kickoff_callbacks, mine.copies = self.before_kickoff_callbacks, self.copies
        return mine

    def fetch_inputs(self):
        return {"topic", '"a": 1'}

    def kickoff(self, inputs):
        self.inputs = inputs
        if self.stream:
            self.output = Output([thing(content="a", tool_call=None)])
            return self.output
        return "on %s by %s" % (inputs["topic"], threading.current_thread().name)

    def kickoff_for_each(self, inputs):
        self.each = inputs
        return [self.copy().kickoff(one) for one in inputs]

    async def kickoff_for_each_async(self, inputs):
        return self.kickoff_for_each(inputs)

    async def akickoff(self, inputs):
        call = thing(tool_id="1", tool_name="add", arguments="{}", index=0)
        self.output = Output(
            [
                thing(content="a", tool_call=None),
                thing(content="", tool_call=None),
                thing(content="", tool_call=call, agent_role="writer"),
            ]
        )
        return self.output if self.stream else "awaited"


class Project:
    """A crew of two."""

    is_crew_class = True

    def __init__(self):
        self.only = Crew()

    def crew(self):
        return self.only


class TestCrewAI(Case):
    def setUp(self):
        self.load(
            crewai__crew={"Crew": Crew},
            crewai__llms__base_llm={"BaseLLM": BaseLLM},
            crewai__types__streaming={"StreamingOutputBase": Output},
        )
        self.adapter = crewai.CrewAI()

    def test_a_crew_that_cannot_wait_is_of_another_version(self):
        class Before:
            def copy(self):
                return self

        self.load(crewai__crew={"Crew": Before})
        self.assertIsNone(self.adapter.adapt(Before(), Wanted()))

    def test_each_call_has_a_crew_of_its_own(self):
        crew = Crew()
        for named in (crew, crew.kickoff):
            self.assertRegex(self.call(named, topic="x"), "^on x by ")
        self.assertIsNone(crew.inputs)
        self.assertEqual([made.inputs for made in crew.copies if made.inputs], [{"topic": "x"}, {"topic": "x"}])
        self.assertEqual(asyncio.run(self.call(crew.akickoff, topic="x")), "awaited")
        self.assertEqual(asyncio.run(self.call(crew, wanted=Wanted(kind="async"), topic="x")), "awaited")

    def test_many_runs_have_a_crew_of_their_own(self):
        crew = Crew()
        crew.stream = True
        many = [{"topic": "x"}, {"topic": "y"}]
        for said in self.call(crew.kickoff_for_each, inputs=many), asyncio.run(self.call(crew.kickoff_for_each_async, many)):
            self.assertRegex(" ".join(said), "^on x by .* on y by ")
        self.assertIsNone(crew.each)
        self.assertEqual([made.each for made in crew.copies if made.each], [many, many])
        for given, pointer in (({"topic": "x"}, "/inputs"), ({"inputs": {}}, "/inputs"), ({"inputs": [{"topic": 1}, {}]}, "/inputs/1/topic")):
            with self.assertRaises(Mismatch) as caught:
                self.call(crew.kickoff_for_each, **given)
            self.assertEqual(caught.exception.pointer, pointer)
        schema = self.adapter.adapt(crew.kickoff_for_each, Wanted()).binding.input_schema()
        self.assertEqual(schema["properties"]["inputs"]["items"]["required"], ["topic"])

    def test_inputs_come_as_keywords_or_as_one_object(self):
        crew = Crew()
        self.call(crew, inputs={"topic": "x"})
        self.call(crew, {"topic": "y"})
        self.assertEqual([made.inputs["topic"] for made in crew.copies if made.inputs], ["x", "y"])

    def test_a_variable_that_is_missing_is_named(self):
        for given, pointer in (({"tpic": 1}, "/topic"), ({"inputs": {}}, "/inputs/topic"), ({"inputs": 3}, "/inputs")):
            with self.assertRaises(Mismatch) as caught:
                self.call(Crew(), **given)
            self.assertEqual(caught.exception.pointer, pointer)
        helped = Crew()
        helped.before_kickoff_callbacks = [print]
        binding = self.adapter.adapt(helped, Wanted()).binding
        self.assertEqual(binding.bind((), {}), (({},), {}))

    def test_pieces_of_text_are_text_and_of_calls_objects(self):
        crew = Crew()
        call = {"type": "tool_call_delta", "id": "1", "name": "add", "args": "{}", "index": 0, "agent": "writer"}
        self.assertEqual(self.collect(crew, topic="x"), ["a", call])
        self.assertTrue(crew.copies[-1].output.closed)

    def test_a_model_that_cannot_be_awaited_is_served_on_a_thread(self):
        crew = Crew(BaseLLM())
        self.assertEqual(list(self.call(crew, wanted=Wanted(streams=True), topic="x")), ["a"])
        self.assertRegex(self.call(crew.akickoff, topic="x"), "^on x")

    def test_the_method_of_a_project_makes_its_crew(self):
        project = Project()
        self.assertRegex(self.call(project.crew, topic="x"), "^on x by ")
        self.assertIsNone(project.only.inputs, "the crew is the same from every call of the method")
        self.assertEqual(self.adapter.adapt(project.crew, Wanted()).fn.__doc__, "A crew of two.")

    def test_results_are_written_short(self):
        class CrewOutput:
            raw, pydantic, json_dict, tasks_output = "all", None, {"n": 1}, ()

        self.load(crewai__crews__crew_output={"CrewOutput": CrewOutput})
        want = '{"type":"CrewOutput","content":"all","structured_response":{"n":1},"tasks":[]}'
        self.assertEqual(plain(self.adapter, CrewOutput()).replace(": ", ":").replace(", ", ","), want)


class AgnoError(Exception):
    pass


class ModelProviderError(AgnoError):
    pass


class Agent:
    """Agno's agent."""

    def __init__(self, output=None, events=(), session_id=None):
        self.stream = None
        self.session_id, self.output, self.events, self.sessions, self.closed = session_id, output, events, [], False

    def run(self, input, *, stream=None, stream_events=None, session_id=None, user_id=None):
        self.sessions.append(session_id)
        return self._events() if (self.stream if stream is None else stream) else self.output

    async def arun(self, input, **keywords):
        return self.run(input, **keywords)

    def _events(self):
        try:
            yield from self.events
        finally:
            self.closed = True


def said(text):
    return thing(event="RunContent", content=text, reasoning_content=None)


class TestAgno(Case):
    def setUp(self):
        self.load(
            agno__agent__agent={"Agent": Agent},
            agno__exceptions={"AgnoError": AgnoError, "ModelProviderError": ModelProviderError},
        )
        self.adapter = agno.Agno()

    def stream(self, agent):
        return self.call(agent, wanted=Wanted(streams=True), prompt="x")

    def test_callers_without_a_session_share_none(self):
        agent = Agent(thing(status="COMPLETED"))
        for _ in range(2):
            self.call(agent, prompt="x")
        self.call(agent.run, prompt="x", session_id="mine")
        asyncio.run(self.call(agent.arun, input="x"))
        self.assertEqual(len(set(agent.sessions)), 4)
        self.assertEqual(agent.sessions[2], "mine")
        fixed = Agent(thing(status="COMPLETED"), session_id="theirs")
        self.call(fixed, prompt="x")
        self.assertEqual(fixed.sessions, [None], "the author's own session is kept")

    def test_an_agent_that_its_author_made_stream_answers_whole(self):
        agent = Agent(thing(status="COMPLETED"))
        agent.stream = True
        self.assertIs(self.call(agent, prompt="x"), agent.output)
        self.assertIs(asyncio.run(self.call(agent.arun, prompt="x")), agent.output)

    def test_a_failure_that_is_returned_is_raised(self):
        failed = thing(status=thing(value="ERROR"), content="limit reached")
        with self.assertRaisesRegex(AgnoError, "limit reached"):
            self.call(Agent(failed), prompt="x")
        events = [said("a"), thing(event="RunError", error_type="model_provider_error", content="limit reached")]
        stream = self.stream(Agent(None, events))
        self.assertEqual(next(stream), "a")
        with self.assertRaisesRegex(ModelProviderError, "limit reached"):
            next(stream)

    def test_words_and_tools_are_chunks_and_the_rest_is_not(self):
        tool = thing(event="ToolCallStarted")
        events = [thing(event="RunStarted"), said(""), said("a"), tool, said("b"), thing(event="RunCompleted", content="ab")]
        self.assertEqual(list(self.stream(Agent(None, events))), ["a", tool, "b"])
        self.assertEqual(list(self.stream(Agent(None, [thing(event="RunCompleted", content="all")]))), ["all"])

    def test_a_stream_that_is_closed_ends_its_run(self):
        agent = Agent(None, [said("a"), said("b")])
        stream = self.stream(agent)
        next(stream)
        stream.close()
        self.assertTrue(agent.closed)

    def test_keywords_that_the_method_lacks_are_refused(self):
        with self.assertRaises(Mismatch) as caught:
            self.call(Agent(), prompt="x", additional_data={})
        self.assertEqual(caught.exception.pointer, "/additional_data")


class Token:
    def cancel(self):
        self.canceled = True


class TaskResult:
    def __init__(self, messages):
        self.messages, self.stop_reason = messages, "done"


class Said:
    models_usage = None

    def __init__(self, source, content):
        self.source, self.content = source, content


class Piece(Said):
    pass


class TextMessage(Said):
    pass


class Event(Said):
    pass


class Assistant:
    def __init__(self):
        self._model_context = []

    async def run(self, task, cancellation_token):
        self._model_context.append(task)
        return TaskResult([TextMessage("helper", list(self._model_context))])

    async def run_stream(self, task, cancellation_token):
        yield TextMessage("user", task)
        yield Piece("helper", "a")
        yield Piece("helper", "b")
        yield Event("helper", "tool")
        yield TextMessage("helper", "ab")
        yield TextMessage("other", "whole")
        yield TaskResult([])


class Team:
    def __init__(self):
        self.running, self.resets, self.most = 0, 0, 0

    async def reset(self):
        self.resets += 1

    async def run(self, task, cancellation_token):
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(0)
        self.running -= 1
        return TaskResult([])

    run_stream = Assistant.run_stream


class TestAutoGen(Case):
    def setUp(self):
        self.load(
            autogen_core={"CancellationToken": Token},
            autogen_agentchat__base={"ChatAgent": Assistant, "Team": Team, "TaskResult": TaskResult},
            autogen_agentchat__messages={
                "TextMessage": TextMessage,
                "BaseTextChatMessage": TextMessage,
                "ModelClientStreamingChunkEvent": Piece,
            },
        )
        self.adapter = autogen.AutoGen()

    @unittest.skipUnless(hasattr(Exception, "add_note"), "exceptions have no notes here")
    def test_what_a_team_raises_for_a_member_is_told_in_a_line(self):
        team = Team()
        told = "ValueError: no\nTraceback:\nTraceback (most recent call last):\n  File \"tools.py\", line 1"
        with mock.patch.object(team, "run", mock.AsyncMock(side_effect=RuntimeError(told))):
            with self.assertRaises(RuntimeError) as caught:
                asyncio.run(self.call(team, task="a"))
        self.assertEqual(str(caught.exception), "ValueError: no")
        self.assertIn("tools.py", caught.exception.__notes__[0])
        self.assertEqual(str(autogen._shortened(RuntimeError("other"))), "other")

    def test_messages_of_before_have_no_id(self):
        took = thing(prompt_tokens=1, completion_tokens=2)
        with mock.patch("runagent_shim.usage.add") as add:
            autogen._count([thing(models_usage=took)])
        self.assertEqual(add.call_args.args, ("autogen", None, 1, 2))

    def test_no_call_hears_another(self):
        agent = Assistant()
        for task in ("a", "b"):
            result = asyncio.run(self.call(agent.run, task=task))
            self.assertEqual(result.messages[0].content, [task])
        self.assertEqual(agent._model_context, [])

    def test_a_team_is_reset_and_serves_one_at_a_time(self):
        team = Team()

        async def five():
            await asyncio.gather(*(self.call(team, prompt="x") for _ in range(5)))

        asyncio.run(five())
        self.assertEqual((team.resets, team.most), (5, 1))

    def test_the_last_chunk_has_its_own_shape(self):
        found = self.collect(Assistant(), task="x")
        self.assertIsInstance(found.pop(2), Event)
        # "ab" was said in pieces already.
        self.assertEqual(found, ["a", "b", "whole", {"type": "TaskResult", "stop_reason": "done"}])

    def test_messages_are_a_task(self):
        binding = self.adapter.adapt(Assistant(), Wanted()).binding
        with self.assertRaises(Mismatch) as caught:
            binding.bind((), {"messages": [{"role": "system", "content": "x"}]})
        self.assertEqual(caught.exception.pointer, "/messages/0/role")


if __name__ == "__main__":
    unittest.main()
