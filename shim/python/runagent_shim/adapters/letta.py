"""Letta: the agents of a server, called by its client.

An agent and all that it remembers are the server's. The client's answers are
pydantic models; here they become what other frameworks' answers are.
"""

import functools
import sys

from .. import hints, usage
from ..validate import Mismatch
from .adapter import Adapted, Adapter
from .closing import Closing
from .prompts import PromptBinding, serving

# The client's resources that send messages, by the class that serves them.
_SENDERS = (
    ("letta_client.resources.agents.messages", "MessagesResource"),
    ("letta_client.resources.agents.messages", "AsyncMessagesResource"),
    ("letta_client.resources.conversations.messages", "MessagesResource"),
    ("letta_client.resources.conversations.messages", "AsyncMessagesResource"),
)
_ANSWERS = "letta_client.types.agents.letta_response"
_STREAMING = "letta_client._streaming"
# What a caller has nothing of.
_SILENT = frozenset(("ping", "stop_reason", "usage_statistics", "user_message", "system_message"))


class Letta(Adapter):
    """Knows the methods that send messages, and what the server answers."""

    NAMES = "a method of Letta's client such as client.agents.messages.create"

    def adapt(self, value, wanted):
        """Serve a method of the client that sends messages."""
        owner, method = getattr(value, "__self__", None), getattr(value, "__name__", None)
        if method not in ("create", "stream") or not isinstance(owner, _senders()):
            return None
        found = hints.signature(value)
        taken = set() if found is None else set(found.parameters)
        whose = next(name for name in ("agent_id", "conversation_id") if name in taken)
        keywords = {whose: "string", **{name: _KEYWORDS[name] for name in _KEYWORDS.keys() & taken}}
        binding = _Sending(whose, keywords)
        send = owner.create
        if type(owner).__name__.startswith("Async"):
            fn = _aitems if wanted.streams or method == "stream" else _arun
        else:
            fn = _items if wanted.streams or method == "stream" else _run
        return Adapted(serving(fn, send, whose, name=method, binding=binding, doc=_DOC), binding, chosen=True)

    def handler(self, kind):
        """Make objects of answers, and chunks of the pieces of a stream."""
        if issubclass(kind, _kind(_ANSWERS, "LettaResponse")):
            return _answer
        return _piece if _is_message(kind) else None

    def items(self, value):
        """Leave out what says nothing to a caller, and count."""
        if isinstance(value, _kind(_STREAMING, "Stream")):
            return _reading(value)
        if isinstance(value, _kind(_STREAMING, "AsyncStream")):
            return _areading(value)
        return None

    def watch(self):
        """Look at each answer as it is made, and at the pieces of streams."""
        answer = _kind(_ANSWERS, "LettaResponse")
        answer.construct = classmethod(_reporting(answer.construct.__func__))
        for name, counted in (("Stream", _counted), ("AsyncStream", _acounted)):
            stream = _kind(_STREAMING, name)
            stream.__stream__ = counted(stream.__stream__)


ADAPTER = Letta()
_KEYWORDS = {
    "max_steps": "integer",
    "override_model": "string",
    "override_system": "string",
    "client_tools": "array",
    "include_return_message_types": "array",
    "enable_thinking": None,  # a string that reads as true or false
}
_DOC = "Send messages to an agent of a Letta server."


def _kind(module, name):
    """Return a class of the client, or () where its module is not loaded."""
    return getattr(sys.modules.get(module), name, ())


def _senders():
    return tuple(kind for kind in (_kind(*home) for home in _SENDERS) if kind)


class _Sending(PromptBinding):
    """A prompt, or messages, and whose they are."""

    def __init__(self, whose, keywords):
        super().__init__(("input",), keywords, lambda found: (found, {}))
        self._whose = whose

    def bind(self, args, kwargs):
        """Return ((prompt,), keywords), raising Mismatch."""
        if not isinstance(kwargs.get(self._whose), str):
            raise Mismatch("/" + self._whose, "expected the id of what the message is for, a string")
        return super().bind(args, kwargs)

    def signature(self):
        """Return the signature as a caller sees it."""
        found = super().signature()
        whose = [one.replace(default=one.empty) for one in found.parameters.values() if one.name == self._whose]
        return found.replace(parameters=[one for one in found.parameters.values() if one.name != self._whose] + whose)

    def input_schema(self):
        """Return the schema of an object with the prompt and the keywords."""
        out = super().input_schema()
        out["properties"][self._whose] = {"type": "string"}
        out["required"] = [self._whose]
        return out


def _sent(send, whose, prompt, keywords, **more):
    messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
    return send(keywords.pop(whose), messages=messages, **keywords, **more)


def _run(send, whose, prompt, **keywords):
    return _sent(send, whose, prompt, keywords)


async def _arun(send, whose, prompt, **keywords):
    return await _sent(send, whose, prompt, keywords)


def _items(send, whose, prompt, **keywords):
    with _sent(send, whose, prompt, keywords, streaming=True, stream_tokens=True) as stream:
        yield from _reading(stream)


async def _aitems(send, whose, prompt, **keywords):
    async with await _sent(send, whose, prompt, keywords, streaming=True, stream_tokens=True) as stream:
        async for item in _areading(stream):
            yield item


def _reading(stream):
    try:
        for piece in stream:
            if _tells(piece):
                yield piece
    finally:
        stream.close()


async def _areading(stream):
    try:
        async for piece in stream:
            if _tells(piece):
                yield piece
    finally:
        await stream.close()


def _tells(piece):
    """Say whether a piece is for the caller. One that says what went wrong is raised."""
    kind = getattr(piece, "message_type", None)
    if kind == "error_message":
        raise sys.modules["letta_client"].LettaError("%s: %s" % (piece.error_type, piece.message))
    return kind not in _SILENT


def _reporting(construct):
    @functools.wraps(construct)
    def made(kind, _fields_set=None, **values):
        out = construct(kind, _fields_set, **values)
        _count(out.usage)
        return out

    return made


def _counted(pieces):
    @functools.wraps(pieces)
    def counted(stream):
        for piece in pieces(stream):
            if getattr(piece, "message_type", None) == "usage_statistics":
                _count(piece)
            yield piece

    return counted


def _acounted(pieces):
    @functools.wraps(pieces)
    async def counted(stream):
        async with Closing(pieces(stream)) as found:
            async for piece in found:
                if getattr(piece, "message_type", None) == "usage_statistics":
                    _count(piece)
                yield piece

    return counted


def _count(found):
    took = [getattr(found, name, None) for name in ("prompt_tokens", "completion_tokens", "total_tokens")]
    if any(took):  # a server that does not know says 0
        usage.add("letta", None, *took)


def _is_message(kind):
    return kind.__module__.startswith("letta_client.types") and "message_type" in getattr(kind, "model_fields", ())


def _answer(walk, value, path):
    """An answer: {"type", "content"}, what was said last, the messages and why it ended."""
    said = [one for one in value.messages if getattr(one, "message_type", None) == "assistant_message"]
    out = {"type": "LettaResponse", "content": _text(said[-1].content) if said else None, "messages": value.messages}
    out["stop_reason"] = getattr(value.stop_reason, "stop_reason", None)
    return walk.plain(out, path)


def _piece(walk, value, path):
    """A message: text of what is said where it streams, else {"type", "content"} and its calls."""
    name = value.message_type
    if name == "assistant_message" and _streaming(path):
        return _text(value.content)
    out = {"type": name, "id": getattr(value, "id", None)}
    if name == "tool_call_message":
        out.update(type="tool_call", **_one("calls", value.tool_calls, _call) or _call(value.tool_call))
    elif name == "tool_return_message":
        out.update(type="tool_result", **_one("results", value.tool_returns, _result) or _result(value))
    elif name == "reasoning_message":
        out.update(type="reasoning", content=value.reasoning)
    else:
        out.update(value.model_dump(mode="json", exclude_none=True, exclude={"message_type"}))
        if "content" in out:
            out["content"] = _text(value.content)
    return walk.plain(out, path)


def _one(name, several, made):
    """Return several calls or results that one message tells of, under name, or None where it is one."""
    if not isinstance(several, list) or len(several) < 2:
        return None
    return {name: [made(one) for one in several]}


def _call(call):
    return {"id": call.tool_call_id, "name": call.name, "args": call.arguments}


def _result(told):
    return {"id": told.tool_call_id, "content": told.tool_return, "is_error": told.status == "error"}


def _streaming(path):
    """Say whether a value is a whole item, and not within an answer."""
    return path[1] is None


def _text(content):
    if isinstance(content, str) or content is None:
        return content
    return "".join(getattr(part, "text", "") for part in content)
