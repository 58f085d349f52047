"""AG2 from version 1 on: agents that answer a turn and tell of it as it goes.

Each call is a turn on a stream of its own, so that many may run at once.
"""

import asyncio
import functools
import json
import sys

from .. import usage
from ..validate import Mismatch
from .adapter import Adapted, Adapter
from .prompts import PromptBinding, serving

_END = object()


class AG2(Adapter):
    """Knows agents, their replies and the events of a turn."""

    NAMES = "an AG2 agent, or agent.ask or agent.run"

    def adapt(self, value, wanted):
        """Serve an agent on the event loop."""
        owner, method = getattr(value, "__self__", None), getattr(value, "__name__", None)
        if owner is None:
            owner, method = value, None
        if method not in (None, "ask", "run") or not isinstance(owner, _kind("ag2.agent", "Agent")):
            return None
        binding = PromptBinding(("message",), {"variables": "object"}, _of_messages)
        fn = _items if wanted.streams else _run
        return Adapted(serving(fn, owner, name=method or "ask", binding=binding), binding, chosen=True)

    def handler(self, kind):
        """Make objects of replies and events, and text of chunks."""
        if issubclass(kind, _kind("ag2.agent", "AgentReply")):
            return _reply
        return _event if issubclass(kind, _kind("ag2.events", "BaseEvent")) else None

    def watch(self):
        """Look at the tokens and the calls of tools that a turn tells of."""
        context = sys.modules["ag2.context"].ConversationContext
        context.send = _told(context.send)


ADAPTER = AG2()


def _kind(module, name):
    """Return a class of AG2, or () where its module is not loaded."""
    return getattr(sys.modules.get(module), name, ())


def _told(send):
    names = ("UsageEvent", "ModelResponse", "ToolCallEvent", "ToolResultEvent")
    kinds = tuple(_kind("ag2.events", name) for name in names)
    tells = functools.lru_cache(maxsize=1000)(lambda kind: issubclass(kind, kinds))

    # Not a coroutine function: one more of them would be passed at each step of all that an event sets off.
    @functools.wraps(send)
    def sent(context, event, *args, **keywords):
        if tells(type(event)):
            if isinstance(event, kinds[0]):
                _count(event)
            else:
                getattr(context.stream, "note", _ignore)(event)
        return send(context, event, *args, **keywords)

    return sent


def _ignore(event):
    """Stand for the note of a stream that has none."""


def _count(event):
    # What a sub-agent took is told once more, summed up, to the one that asked it.
    if event.kind != "subtask":
        found = event.usage
        usage.add("ag2", event.model, *map(_whole, (found.prompt_tokens, found.completion_tokens, found.total_tokens)))


def _whole(count):
    return None if count is None else int(count)


def _of_messages(found):
    """The last message as the prompt, the others as what was said before."""
    for at, one in enumerate(found):
        if one["role"] not in ("user", "assistant"):
            raise Mismatch("/messages/%d/role" % at, "expected user or assistant: an agent has its system message")
    if found[-1]["role"] != "user":
        raise Mismatch("/messages/%d/role" % (len(found) - 1), "expected user: the agent answers the last message")
    return found[-1]["content"], {"said": found[:-1]}


@functools.lru_cache(maxsize=1)
def _streams(base):
    """Return the classes of streams that tell their note of answers and calls of tools, and their hear of every event.

    A subscription would do the same, and take AG2 longer: it looks at the subscriber's
    signature in each call, and at what it wants for each event. Both are told before
    the agent is: else results come before their calls.
    """

    class Noting(base):
        note = staticmethod(_ignore)  # called by what watch has put into the context

    class Hearing(base):
        def send(self, event, context):
            self.hear(event)
            return super().send(event, context)

    return Noting, Hearing


async def _stream(said, note=None, hear=None):
    """Return a stream for one call, with what was said before in it."""
    noting, hearing = _streams(sys.modules["ag2.stream"].MemoryStream)
    if hear is None:
        stream = noting()
        stream.note = note
    else:
        stream = hearing()
        stream.hear = hear
    if said:
        await stream.history.replace(_history(said))
    return stream


def _history(said):
    events, before = sys.modules["ag2.events"], []
    for one in said:
        if one["role"] == "user":
            before.append(events.ModelRequest([events.TextInput(one["content"])]))
        else:
            before.append(events.ModelResponse(events.ModelMessage(one["content"])))
    return before


async def _run(agent, prompt, said=(), variables=None):
    """Return {"type", "content", "tool_calls"}."""
    events, calls = sys.modules["ag2.events"], {}

    def note(event):
        if isinstance(event, events.ModelResponse):  # tools that run at once tell of themselves in any order
            calls.update((one.id, _call(one)) for one in event.tool_calls.calls)
        elif isinstance(event, events.ToolCallEvent):
            calls.setdefault(event.id, {}).update(_call(event))
        else:
            calls.setdefault(event.parent_id, {}).update(_result(event))

    reply = await agent.ask(prompt, stream=await _stream(said, note), variables=variables)
    return {"type": "AgentReply", "content": await reply.content(), "tool_calls": list(calls.values())}


async def _items(agent, prompt, said=(), variables=None):
    """Yield text, calls of tools and their results, as the turn goes."""
    found = asyncio.Queue()
    async with agent.run(prompt, stream=await _stream(said, hear=found.put_nowait), variables=variables) as run:
        turn = asyncio.ensure_future(run.result())
        turn.add_done_callback(lambda _: found.put_nowait(_END))
        try:
            words = False
            while True:
                event = await found.get()
                if event is _END:
                    break
                item, words = _item(event, words)
                if item is not None:
                    yield item
            turn.result()  # raises what the turn has raised
        finally:
            turn.cancel()


def _item(event, words):
    """Return an event's chunk or None, and whether the answer under way has come in pieces."""
    events = sys.modules["ag2.events"]
    if isinstance(event, events.ModelMessageChunk):
        return event.content or None, True
    if isinstance(event, events.ModelResponse):
        return None if words else event.content or None, False
    if isinstance(event, (events.ToolCallEvent, events.ToolResultEvent)):
        return event, words
    return None, words


def _call(event):
    try:
        args = json.loads(event.arguments or "{}")
    except ValueError:  # what the model has made of it
        args = event.arguments
    return {"id": event.id, "name": event.name, "args": args}


def _result(event):
    error = getattr(event, "error", None)
    # The model is told of an error with all of its traceback; a caller has nothing of that.
    content = _content(event.result.parts) if error is None else "%s: %s" % (type(error).__name__, error)
    return {"id": event.parent_id, "name": event.name, "content": content, "is_error": error is not None}


def _content(parts):
    found = [getattr(part, "content", getattr(part, "data", part)) for part in parts]
    return found[0] if len(found) == 1 else found


def _reply(walk, value, path):
    return walk.plain({"type": "AgentReply", "content": _shaped(value)}, path)


def _shaped(reply):
    """Return the content as the agent's response_schema has it, or the text where that is not of the schema.

    A schema that is a function of the author's is not called: the author may have done so.
    """
    if not isinstance(getattr(reply, "_AgentReply__schema", None), _kind("ag2.response", "ResponseSchema")):
        return reply.body
    reading = reply.content()
    try:
        reading.send(None)  # it waits for nothing
    except StopIteration as done:
        return done.value
    except ValueError:
        pass
    finally:
        reading.close()
    return reply.body


def _event(walk, value, path):
    """An event as a function of the author's yields it."""
    events = sys.modules["ag2.events"]
    if isinstance(value, events.ModelMessageChunk):
        return value.content
    if isinstance(value, events.ToolCallEvent):
        return walk.plain({"type": "tool_call", **_call(value)}, path)
    if isinstance(value, events.ToolResultEvent):
        return walk.plain({"type": "tool_result", **_result(value)}, path)
    out = {"type": type(value).__name__}
    for name in ("content", "usage", "model", "error"):
        field = getattr(value, name, None)
        if field is not None:
            out[name] = str(field) if isinstance(field, BaseException) else field
    if isinstance(value, events.ModelRequest):
        out["content"] = _content(value.parts)
    calls = getattr(getattr(value, "tool_calls", value), "calls", None) or getattr(value, "results", None)
    if isinstance(calls, list):
        out["results" if hasattr(value, "results") else "tool_calls"] = calls
    return walk.plain(out, path)
