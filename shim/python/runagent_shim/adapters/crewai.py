"""CrewAI: crews, flows and single agents.

They keep the state of a run in themselves, and the author's own functions may
run the very objects that are named. So each call gets a copy, made of a copy
that nobody runs.
"""

import inspect
import re
import sys

from .. import usage
from ..jsonschema import DIALECT
from ..validate import Mismatch, also, escape
from .adapter import Adapted, Adapter, Binding
from .prompts import PromptBinding, serving
from .turns import turn_of

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_\-]*")
_KICKOFFS = (None, "kickoff", "kickoff_async", "akickoff")
_EACH = ("kickoff_for_each", "kickoff_for_each_async", "akickoff_for_each")


class CrewAI(Adapter):
    """Knows crews, flows and agents, and what they say."""

    NAMES = "a CrewAI crew, flow or agent, crew.kickoff or crew.kickoff_for_each, or the @crew method of a @CrewBase class"

    def adapt(self, value, wanted):
        """Serve crews and agents on threads, on the event loop where that was asked for."""
        if isinstance(value, type):
            return _flow(value(), None, wanted) if issubclass(value, _kind("crewai.flow.flow", "Flow")) else None
        owner, method = getattr(value, "__self__", None), getattr(value, "__name__", None)
        if owner is None:
            owner, method = value, None
        if method == "crew" and getattr(type(owner), "is_crew_class", False):
            return _crew(value(), None, wanted, getattr(type(owner), "__doc__", None))
        if method in _EACH and isinstance(owner, _kind("crewai.crew", "Crew")):
            return _each(owner, method)
        if method not in _KICKOFFS:
            return None
        if isinstance(owner, _kind("crewai.crew", "Crew")):
            return _crew(owner, method, wanted, None)
        if isinstance(owner, _kind("crewai.flow.flow", "Flow")):
            return _flow(owner, method, wanted)
        if isinstance(owner, _kind("crewai.agent.core", "Agent")):
            return _agent(owner, method, wanted)
        return None

    def handler(self, kind):
        """Make objects of results, and text or objects of chunks."""
        for module, name, found in _HANDLERS:
            if issubclass(kind, _kind(module, name)):
                return found
        return None

    def items(self, value):
        """Return the chunks of a crew or flow that streams."""
        if isinstance(value, _kind("crewai.types.streaming", "StreamingOutputBase")):
            return _achunks(value) if value._async_iterator is not None else _chunks(value)
        return None

    def watch(self):
        """Listen to the ends of calls of models."""
        from crewai.events import crewai_event_bus
        from crewai.events.types.llm_events import LLMCallCompletedEvent

        @crewai_event_bus.on(LLMCallCompletedEvent)
        def completed(_, event):
            found = getattr(event, "usage", None) or {}
            into = found.get("prompt_tokens") or found.get("input_tokens")
            out = found.get("completion_tokens") or found.get("output_tokens")
            if into or out:
                usage.add("crewai", event.model, into, out, found.get("total_tokens"))


ADAPTER = CrewAI()


def _kind(module, name):
    """Return a class of CrewAI, or () where its module is not loaded."""
    return getattr(sys.modules.get(module), name, ())


def _adapted(fn, *bound, name, binding, doc=None):
    return Adapted(serving(fn, *bound, name=name, binding=binding, doc=doc), binding, chosen=True)


def _on_loop(method, wanted):
    return method in ("akickoff", "kickoff_async") or (method is None and wanted.kind == "async")


def _crew(named, method, wanted, doc):
    """A copy for each call. CrewAI returns the same from every call of a @crew method."""
    if not hasattr(type(named), "akickoff"):  # one that neither streams nor waits
        return None
    crew = named.copy()
    make = crew.copy
    binding = InputsBinding(_variables(crew))
    if wanted.streams:
        fn = _crew_items if _all_async(crew) else _crew_items_on_thread
    else:
        fn = _akickoff if _on_loop(method, wanted) and _all_async(crew) else _kickoff
    return _adapted(fn, make, name=method or "kickoff", binding=binding, doc=doc)


def _variables(crew):
    """Return the names that a crew's texts leave open; none where a callback may give them."""
    if crew.before_kickoff_callbacks:
        return []
    return sorted(filter(_VARIABLE.fullmatch, crew.fetch_inputs()))


def _all_async(crew):
    """Say whether every model of a crew can be awaited."""
    base = _kind("crewai.llms.base_llm", "BaseLLM")
    models = [agent.llm for agent in crew.agents] + [crew.manager_llm]
    return all(type(model).acall is not base.acall for model in models if hasattr(model, "acall"))


class InputsBinding(Binding):
    """Makes a crew's or flow's inputs of keywords, or of the one keyword inputs."""

    def __init__(self, variables=()):
        self._variables = variables

    def bind(self, args, kwargs):
        """Return ((inputs,), {}), raising Mismatch."""
        if len(args) > 1 or (args and kwargs):
            raise Mismatch("", "one object of inputs is taken, as keywords or as the one position")
        prefix = ""
        if args:
            kwargs = args[0]
        elif kwargs.keys() == {"inputs"}:
            kwargs, prefix = kwargs["inputs"], "/inputs"
        self.check(kwargs, prefix, prefix or "/0")
        return (kwargs,), {}

    def check(self, inputs, prefix, whole):
        """Raise Mismatch unless inputs are an object with all variables; prefix leads to its fields, whole to it."""
        if not isinstance(inputs, dict):
            raise Mismatch(whole, "expected an object, the inputs")
        missing = [name for name in self._variables if name not in inputs]
        if missing:
            raise Mismatch(prefix + "/" + escape(missing[0]), "missing" + also(missing[1:]))

    def input_schema(self):
        """Return the schema of an object with the variables."""
        return dict({"$schema": DIALECT}, **self.fields())

    def fields(self):
        """Return the schema without its dialect."""
        out = {"type": "object"}
        if self._variables:
            out["properties"] = {name: {} for name in self._variables}
            out["required"] = list(self._variables)
        return out


class EachBinding(Binding):
    """Takes a list of inputs, one for each run, as the keyword inputs or by position."""

    def __init__(self, one):
        """one is the InputsBinding of each."""
        self._one = one

    def bind(self, args, kwargs):
        """Return ((list of inputs,), {}), raising Mismatch."""
        if len(args) + len(kwargs) != 1 or (kwargs and "inputs" not in kwargs):
            raise Mismatch("/inputs", "expected a list of objects, the inputs of each run, and nothing else")
        given, place = (args[0], "/0") if args else (kwargs["inputs"], "/inputs")
        if not isinstance(given, list):
            raise Mismatch(place, "expected a list of objects, the inputs of each run")
        for at, inputs in enumerate(given):
            self._one.check(inputs, "%s/%d" % (place, at), "%s/%d" % (place, at))
        return (given,), {}

    def input_schema(self):
        """Return the schema of an object with the list."""
        inputs = {"type": "array", "items": self._one.fields()}
        out = {"$schema": DIALECT, "type": "object", "properties": {"inputs": inputs}}
        return dict(out, required=["inputs"], additionalProperties=False)

    def signature(self):
        """Return the signature as a caller sees it."""
        return inspect.Signature([inspect.Parameter("inputs", inspect.Parameter.POSITIONAL_OR_KEYWORD)])


def _each(named, method):
    """Many runs by a copy: CrewAI copies the crew whose method it is, which the author's own functions may run."""
    crew = named.copy()
    fn = _kickoff_each if method == "kickoff_for_each" else _akickoff_each
    return _adapted(fn, crew.copy, method, name=method, binding=EachBinding(InputsBinding(_variables(crew))))


def _kickoff_each(make, method, inputs):
    crew = make()
    crew.stream = False  # the results are wanted
    return getattr(crew, method)(inputs)


async def _akickoff_each(make, method, inputs):
    return await _kickoff_each(make, method, inputs)


def _kickoff(make, inputs):
    return _whole(make().kickoff(inputs=inputs))


async def _akickoff(make, inputs):
    return await _awhole(await make().akickoff(inputs=inputs))


def _crew_items_on_thread(make, inputs):
    crew = make()
    crew.stream = True
    yield from _chunks(crew.kickoff(inputs=inputs))


async def _crew_items(make, inputs):
    crew = make()
    crew.stream = True
    async for chunk in _achunks(await crew.akickoff(inputs=inputs)):
        yield chunk


def _whole(output):
    """Return the result, also of a crew that its author made stream."""
    if not isinstance(output, _kind("crewai.types.streaming", "StreamingOutputBase")):
        return output
    for _ in output:
        pass
    return output.result


async def _awhole(output):
    if not isinstance(output, _kind("crewai.types.streaming", "StreamingOutputBase")):
        return output
    async for _ in output:
        pass
    return output.result


def _chunks(output):
    try:
        for chunk in output:
            if chunk.content or chunk.tool_call is not None:
                yield _chunk(chunk)
    finally:
        output.close()


async def _achunks(output):
    try:
        async for chunk in output:
            if chunk.content or chunk.tool_call is not None:
                yield _chunk(chunk)
    finally:
        await output.aclose()


def _chunk(chunk):
    """A piece of text as text; a piece of a tool's call as an object."""
    call = chunk.tool_call
    if call is None:
        return chunk.content
    out = {"type": "tool_call_delta", "id": call.tool_id, "name": call.tool_name}
    out.update(args=call.arguments, index=call.index, agent=chunk.agent_role)
    return out


def _flow(flow, method, wanted):
    """A new flow like the one named for each call, or one call at a time."""
    kind, given = type(flow), {name: getattr(flow, name) for name in flow.model_fields_set}
    try:
        kind(**given)
        owner = None
    except Exception:  # its constructor wants something else
        owner = flow
    make = (lambda: kind(**given)) if owner is None else (lambda: flow)
    if wanted.streams:
        fn = _flow_items
    else:
        fn = _aflow if _on_loop(method, wanted) else _flow_run
    return _adapted(fn, make, owner, name=method or "kickoff", binding=InputsBinding(), doc=kind.__doc__)


def _flow_run(make, owner, inputs):
    if owner is None:
        return make().kickoff(inputs=inputs)
    with turn_of(owner):
        return make().kickoff(inputs=inputs)


async def _aflow(make, owner, inputs):
    if owner is None:
        return await make().kickoff_async(inputs=inputs)
    async with turn_of(owner):
        return await make().kickoff_async(inputs=inputs)


async def _flow_items(make, owner, inputs):
    if owner is not None:
        async with turn_of(owner):
            async for item in _frames(make(), inputs):
                yield item
        return
    async for item in _frames(make(), inputs):
        yield item


async def _frames(flow, inputs):
    """Yield text of models, the steps of the flow, calls of tools, and the result."""
    session = flow.astream(inputs=inputs)
    try:
        async for frame in session:
            item = _frame(frame, type(flow).__name__)
            if item is not None:
                yield item
        yield {"type": "result", "content": session.result}
    finally:
        await session.aclose()


def _frame(frame, flow_name):
    data = frame.data
    if frame.channel == "llm":
        return frame.content or None
    if frame.type.startswith("method_execution_") and data.get("flow_name") == flow_name:
        return {"type": "step", "name": data.get("method_name"), "state": frame.type[len("method_execution_") :]}
    if frame.type == "tool_usage_started":
        return {"type": "tool_call", "name": data.get("tool_name"), "args": data.get("tool_args")}
    if frame.type == "tool_usage_finished":
        return {"type": "tool_result", "name": data.get("tool_name"), "content": data.get("output")}
    return None


def _agent(agent, method, wanted):
    binding = PromptBinding(("messages",), (), None, takes=None)
    if wanted.streams:
        fn = _agent_items
    else:
        fn = _agent_akickoff if _on_loop(method, wanted) else _agent_kickoff
    return _adapted(fn, agent.copy(), name=method or "kickoff", binding=binding, doc=agent.goal)


def _agent_kickoff(agent, messages):
    return agent.copy().kickoff(messages)


async def _agent_akickoff(agent, messages):
    return await agent.copy().kickoff_async(messages)


def _agent_items(agent, messages):
    yield agent.copy().kickoff(messages).raw


def _output(walk, value, path):
    """A crew's result: {"type", "content"}, what it is as data, and each task's."""
    out = _answer(walk, value, path)
    out["tasks"] = [walk.plain(task, ("tasks", path)) for task in value.tasks_output]
    return out


def _task(walk, value, path):
    out = _answer(walk, value, path)
    out.update(agent=value.agent, task=value.name or value.description)
    return out


def _answer(walk, value, path):
    out = {"type": type(value).__name__, "content": value.raw}
    data = value.pydantic if value.pydantic is not None else getattr(value, "json_dict", None)
    if data is not None:
        out["structured_response"] = walk.plain(data, ("structured_response", path))
    return out


def _agent_output(walk, value, path):
    out = _answer(walk, value, path)
    out["agent"] = value.agent_role
    return out


def _stream_chunk(walk, value, path):
    return _chunk(value)


_HANDLERS = (
    ("crewai.types.streaming", "StreamChunk", _stream_chunk),
    ("crewai.crews.crew_output", "CrewOutput", _output),
    ("crewai.tasks.task_output", "TaskOutput", _task),
    ("crewai.lite_agent_output", "LiteAgentOutput", _agent_output),
)
