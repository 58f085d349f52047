"""AutoGen: agents and teams of autogen-agentchat.

Both remember what was said in them. Each call gets an agent with the memory
that it had at the start; a team serves one call at a time, reset before each.
"""

import copy
import sys

from .. import usage
from ..validate import Mismatch
from .adapter import Adapted, Adapter
from .closing import Closing
from .copies import shallow
from .prompts import PromptBinding, serving
from .turns import turn_of


class AutoGen(Adapter):
    """Knows agents, teams, and their messages and events."""

    NAMES = "an AutoGen agent or team, or agent.run or agent.run_stream"

    def adapt(self, value, wanted):
        """Serve agents and teams on the event loop."""
        owner, method = getattr(value, "__self__", None), getattr(value, "__name__", None)
        if owner is None:
            owner, method = value, None
        if method not in (None, "run", "run_stream"):
            return None
        team = isinstance(owner, _kind("autogen_agentchat.base", "Team"))
        if not team and not isinstance(owner, _kind("autogen_agentchat.base", "ChatAgent")):
            return None
        binding = PromptBinding(("task",), (), _of_messages)
        streams, calling = wanted.streams or method == "run_stream", owner
        if team or not hasattr(owner, "_model_context"):
            fn, calling = _items_alone if streams else _run_alone, _Alone(owner)
        else:
            fn = _items if streams else _run
        name, doc = method or "run", getattr(owner, "description", None)
        return Adapted(serving(fn, calling, name=name, binding=binding, doc=doc), binding, chosen=True)

    def handler(self, kind):
        """Make objects of results, messages and events, and text of chunks."""
        for module, name, found in _HANDLERS:
            if issubclass(kind, _kind(module, name)):
                return found
        return None


ADAPTER = AutoGen()


def _kind(module, name):
    """Return a class of AutoGen, or () where its module is not loaded."""
    return getattr(sys.modules.get(module), name, ())


def _of_messages(found):
    """Messages of the user and of agents, as a task."""
    message = _kind("autogen_agentchat.messages", "TextMessage")
    for at, one in enumerate(found):
        if one["role"] not in ("user", "assistant"):
            raise Mismatch("/messages/%d/role" % at, "expected user or assistant: an agent has its system message")
    return [message(content=one["content"], source=one["role"]) for one in found], {}


def _copied(agent):
    """Return an agent of its own for each call, which shares model, tools and memory with the one named."""
    mine = shallow(agent)
    mine._model_context = _copy_of(agent._model_context)
    return mine


def _itself(owner):
    return owner


def _copy_of(context):
    """Return a copy of what an agent remembers. AutoGen's own keep it in lists, of messages that do not change."""
    if not type(context).__module__.startswith("autogen_core."):
        return copy.deepcopy(context)
    mine = shallow(context)
    for name, field in vars(context).items():
        if isinstance(field, list):
            vars(mine)[name] = list(field)
    return mine


class _Alone:
    """The one team, or agent of an unknown kind, for one call at a time."""

    def __init__(self, owner):
        self._owner, self._turn = owner, turn_of(owner)

    async def __aenter__(self):
        await self._turn.__aenter__()
        try:
            if hasattr(self._owner, "on_reset"):
                await self._owner.on_reset(_token())
            else:
                await self._owner.reset()
        except BaseException:
            await self._turn.__aexit__()
            raise
        return self._owner

    async def __aexit__(self, *_):
        await self._turn.__aexit__()


def _token():
    return _kind("autogen_core", "CancellationToken")()


async def _run_alone(alone, task):
    async with alone as owner:
        return await _run(owner, task, own=_itself)


async def _items_alone(alone, task):
    async with alone as owner, Closing(_items(owner, task, own=_itself)) as items:
        async for item in items:
            yield item


async def _run(owner, task, own=_copied):
    token = _token()
    try:
        result = await own(owner).run(task=task, cancellation_token=token)
    except RuntimeError as error:
        raise _shortened(error)
    finally:
        token.cancel()
    _count(result.messages)
    return result


async def _items(owner, task, own=_copied):
    """Yield what is said, by and by; the result, which comes last, says it all again."""
    token = _token()
    words = {}  # who has spoken in pieces since its last message
    stream = own(owner).run_stream(task=task, cancellation_token=token)
    try:
        async for message in stream:
            if isinstance(message, _kind("autogen_agentchat.base", "TaskResult")):
                yield {"type": "TaskResult", "stop_reason": message.stop_reason}
            elif isinstance(message, _kind("autogen_agentchat.messages", "ModelClientStreamingChunkEvent")):
                words[message.source] = True
                yield message.content
            else:
                _count((message,))
                repeated = _is_text(message) and words.pop(message.source, False)
                if message.source != "user" and not repeated:
                    yield _text_of(message)
    except RuntimeError as error:
        raise _shortened(error)
    finally:
        token.cancel()
        await stream.aclose()


def _shortened(error):
    """Return what a team raises for one of its members, the member's frames beside the message and not within."""
    words, told, frames = str(error).partition("\nTraceback:\n")
    if told and hasattr(error, "add_note"):  # Python before 3.11 has no other place for them
        error.args = (words,)
        error.add_note(frames)
    return error


def _is_text(message):
    messages = "autogen_agentchat.messages"
    return isinstance(message, _kind(messages, "BaseTextChatMessage") or _kind(messages, "TextMessage"))


def _text_of(message):
    """What an agent says as text, if it is that alone."""
    if isinstance(message, _kind("autogen_agentchat.messages", "TextMessage")):
        return message.content
    return message


def _count(messages):
    """Report what the messages' models took, where they say so."""
    for message in messages:
        found = getattr(message, "models_usage", None)
        if found is not None and (found.prompt_tokens or found.completion_tokens):
            usage.add("autogen", None, found.prompt_tokens, found.completion_tokens, key=getattr(message, "id", id(message)))


def _result(walk, value, path):
    """A result: {"type", "content"}, the last thing said, and all messages."""
    last = value.messages[-1] if value.messages else None
    return {
        "type": "TaskResult",
        "content": walk.plain(getattr(last, "content", None), ("content", path)),
        "messages": walk.plain(list(value.messages), ("messages", path)),
        "stop_reason": value.stop_reason,
    }


def _message(walk, value, path):
    out = {"type": type(value).__name__.partition("[")[0], "content": walk.plain(value.content, ("content", path))}
    out["source"] = value.source
    for name in ("target", "metadata"):
        if getattr(value, name, None):
            out[name] = walk.plain(getattr(value, name), (name, path))
    return out


def _chunk(walk, value, path):
    return value.content


def _request(walk, value, path):
    return {"type": "tool_call", "calls": walk.plain(value.content, ("calls", path)), "source": value.source}


def _execution(walk, value, path):
    return {"type": "tool_result", "results": walk.plain(value.content, ("results", path)), "source": value.source}


def _function_call(walk, value, path):
    return {"id": value.id, "name": value.name, "args": value.arguments}


def _function_result(walk, value, path):
    return {"id": value.call_id, "name": value.name, "content": value.content, "is_error": bool(value.is_error)}


_MESSAGES = "autogen_agentchat.messages"

_HANDLERS = (
    ("autogen_agentchat.base", "TaskResult", _result),
    (_MESSAGES, "ModelClientStreamingChunkEvent", _chunk),
    (_MESSAGES, "ToolCallRequestEvent", _request),
    (_MESSAGES, "ToolCallExecutionEvent", _execution),
    (_MESSAGES, "BaseChatMessage", _message),
    (_MESSAGES, "BaseAgentEvent", _message),
    ("autogen_core", "FunctionCall", _function_call),
    ("autogen_core.models", "FunctionExecutionResult", _function_result),
)
