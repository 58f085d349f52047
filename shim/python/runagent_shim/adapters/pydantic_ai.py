"""pydantic-ai: agents, their results, streams and messages."""

import functools
import sys

from .. import foreign, hints, usage
from .adapter import Adapted, Adapter
from .bridge import bridged
from .closing import Closing
from .prompts import PromptBinding

_RUNS = frozenset(("run", "run_sync"))
_STREAMS = frozenset(("run_stream", "run_stream_sync", "run_stream_events"))


class PydanticAI(Adapter):
    """Knows agents and what they return."""

    NAMES = "a pydantic-ai agent or a method of one, such as agent or agent.run"

    def adapt(self, value, wanted):
        """Serve an agent by run, or its text as it comes; or one of its methods."""
        base = sys.modules["pydantic_ai.agent"].AbstractAgent
        if isinstance(value, base):
            method = value.run_stream if wanted.streams else value.run
            fn = _streaming(method) if wanted.streams else _running_async(method)
            return Adapted(fn, _binding(method), chosen=True)
        owner, name = getattr(value, "__self__", None), getattr(value, "__name__", None)
        if not isinstance(owner, base):
            return None
        if name in _STREAMS:
            return Adapted(_streaming(value), _binding(value), chosen=True)
        if name in _RUNS:
            running = _running_async if name == "run" else _running
            return Adapted(running(value), _binding(value))
        return None

    def handler(self, kind):
        """Make objects of results."""
        return _result if issubclass(kind, sys.modules["pydantic_ai.run"].AgentRunResult) else None

    def items(self, value):
        """Give the text of a streamed run, or its events."""
        return _items(value) if hasattr(value, "__aenter__") and _is_ours(value) else _items_sync(value)

    def watch(self):
        """Have run_sync work on all threads."""
        agent = sys.modules["pydantic_ai.agent"].AbstractAgent
        agent.run_sync = bridged(agent.run_sync, _run_later)


ADAPTER = PydanticAI()


def _run_later(agent, *args, **options):
    options["infer_name"] = False  # by the caller's frame, which is not there
    return agent.run(*args, **options)


def _binding(method):
    found = hints.signature(method)
    options = set() if found is None else set(found.parameters) - {"self", "kwargs", "_deprecated_kwargs"}
    kind = getattr(method.__self__, "deps_type", None)
    how = ("user_prompt", "input", "query", "question"), options, _of_messages, None
    return PromptBinding(*how) if kind in (None, object, type(None)) else _Binding(kind, *how)


class _Binding(PromptBinding):
    """Binds dependencies, too, to the type that the agent has for them."""

    def __init__(self, kind, *how):
        super().__init__(*how)
        self._kind, self._check = kind, foreign.compile_check(kind, ())

    def bind(self, args, kwargs):
        """Return ((prompt,), keywords), raising Mismatch."""
        given, options = super().bind(args, kwargs)
        if self._check and options.get("deps") is not None:
            options["deps"] = self._check(options["deps"], "/deps")
        return given, options

    def input_schema(self):
        """Return the schema of an object with the prompt and the keywords."""
        schema, defs = super().input_schema(), {}
        found = foreign.schema(self._kind, (), defs)
        if found:
            schema["properties"]["deps"] = found
            if defs:
                schema["$defs"] = defs
        return schema


def _of_messages(given):
    """Return the last message's text and the others as what was said before."""
    kinds = sys.modules["pydantic_ai.messages"]
    history = []
    for message in given[:-1]:
        if message["role"] == "assistant":
            history.append(kinds.ModelResponse(parts=[kinds.TextPart(content=message["content"])]))
            continue
        part = kinds.UserPromptPart if message["role"] == "user" else kinds.SystemPromptPart
        history.append(kinds.ModelRequest(parts=[part(content=message["content"])]))
    return given[-1]["content"], {"message_history": history}


def _history(options):
    """Make messages of JSON."""
    given = options.get("message_history")
    if isinstance(given, list) and given and isinstance(given[0], dict):
        adapter = sys.modules["pydantic_ai.messages"].ModelMessagesTypeAdapter
        options["message_history"] = adapter.validate_python(given)
    return options


def _running_async(run):
    @functools.wraps(run)
    async def ran(prompt, **options):
        return await run(prompt, **_history(options))

    return ran


def _running(run):
    @functools.wraps(run)
    def ran(prompt, **options):
        return run(prompt, **_history(options))

    return ran


def _streaming(method):
    if method.__name__ == "run_stream_sync":

        @functools.wraps(method)
        def stream_sync(prompt, **options):
            yield from _items_sync(method(prompt, **_history(options)))

        return stream_sync

    async def stream(prompt, **options):
        async with Closing(_items(method(prompt, **_history(options)))) as items:
            async for item in items:
                yield item

    return functools.wraps(method)(stream)


def _is_ours(value):
    """Say whether an async context manager is that of a run."""
    if type(value).__module__.startswith("pydantic_ai."):
        return True
    generator = getattr(value, "gen", None)  # of contextlib.asynccontextmanager
    code = getattr(generator, "ag_code", None)
    return code is not None and code.co_name == "run_stream" and "pydantic_ai" in code.co_filename


async def _items(context):
    """Yield a streamed run's text, its outputs where they are no text, or its events."""
    if not hasattr(context, "__aenter__"):  # the events of older versions
        async for event in context:
            yield event
        return
    async with context as stream:
        if hasattr(stream, "stream_text"):
            async with Closing(_text_or_output(stream)) as items:
                async for item in items:
                    yield item
            _report(stream)
        else:
            async for event in stream:
                yield event


async def _text_or_output(stream):
    error = sys.modules["pydantic_ai.exceptions"].UserError
    begun = False
    try:
        async for text in stream.stream_text(delta=True, debounce_by=None):
            begun = True
            yield text
        return
    except error:  # the agent's output is no text
        if begun:
            raise
    async for output in stream.stream_output(debounce_by=None):
        yield output


def _items_sync(value):
    result = sys.modules["pydantic_ai.result"]
    kind = getattr(result, "StreamedRunResultSync", ())
    return _text_sync(value) if kind and isinstance(value, kind) else None


def _text_sync(stream):
    yield from stream.stream_text(delta=True, debounce_by=None)
    _report(stream)


def _report(run):
    """Count what a run has used, once however often it is reported."""
    found = run.usage
    found = found() if callable(found) else found
    response = getattr(run, "response", None)
    model = getattr(response, "model_name", None)
    usage.add("pydantic_ai", model, found.input_tokens, found.output_tokens, key=getattr(run, "run_id", None) or id(run))


def _result(walk, value, path):
    _report(value)
    adapter = sys.modules["pydantic_ai.messages"].ModelMessagesTypeAdapter
    messages = adapter.dump_python(value.new_messages(), mode="json")
    return {"output": walk.plain(value.output, ("output", path)), "messages": messages}
