"""AG2 Classic, the package autogen: conversable agents and what their chats return.

Agents keep their chats, and the proxy that executes their tools, in
themselves: one call at a time, each from an empty history.
"""

import sys

from .adapter import Adapted, Adapter
from .prompts import PromptBinding, serving
from .turns import turn_of

_TURNS = 10  # of a call that does not say how many; a turn is a question and its answer


class AG2Classic(Adapter):
    """Knows agents, results of chats, runs and their events."""

    NAMES = "an AG2 agent of autogen, or agent.run or agent.a_run"

    def adapt(self, value, wanted):
        """Serve an agent by its run, on threads, or by a_run on the event loop."""
        owner, method = getattr(value, "__self__", None), getattr(value, "__name__", None)
        if owner is None:
            owner, method = value, None
        if method not in (None, "run", "a_run") or not isinstance(owner, _kind(_AGENTS, "ConversableAgent")):
            return None
        if not hasattr(owner, "a_run"):  # of before AG2, when agents could only chat
            return None
        binding = PromptBinding(("message",), {"max_turns": "integer"})
        if method == "a_run" or (method is None and wanted.kind == "async"):
            fn = _aitems if wanted.streams else _arun
        else:
            fn = _items if wanted.streams else _run
        doc = getattr(owner, "description", None)
        return Adapted(serving(fn, owner, name=method or "run", binding=binding, doc=doc), binding, chosen=True)

    def handler(self, kind):
        """Make objects of results, runs and events, and text of what is said."""
        if issubclass(kind, _kind("autogen.agentchat.chat", "ChatResult")):
            return _result
        if issubclass(kind, _runs()):
            return _finished
        return _event if kind.__module__.startswith("autogen.events.") and hasattr(kind, "model_fields") else None

    def items(self, value):
        """Give the chunks of a run that a function returned."""
        if isinstance(value, _kind("autogen.io.run_response", "AsyncRunResponse")):
            return _achunks(value)
        return _chunks(value) if isinstance(value, _runs()) else None


ADAPTER = AG2Classic()
_AGENTS = "autogen.agentchat.conversable_agent"


def _kind(module, name):
    """Return a class of AG2's, or () where its module is not loaded."""
    return getattr(sys.modules.get(module), name, ())


def _runs():
    names = ("RunResponse", "AsyncRunResponse")
    return tuple(kind for kind in (_kind("autogen.io.run_response", name) for name in names) if kind)


def _keywords(agent, max_turns):
    # The proxy of an earlier run knows how a chat ends; it is made anew with its counters.
    agent.run_executor = None
    return {
        "max_turns": _TURNS if max_turns is None else max_turns,
        "clear_history": True,
        "executor_kwargs": {"is_termination_msg": _is_answer},
    }


def _is_answer(message):
    """Say whether a message asks for no tool: then nobody has anything to add."""
    return not message.get("tool_calls") and not message.get("function_call")


def _run(agent, prompt, max_turns=None):
    with turn_of(agent):
        run = agent.run(message=prompt, **_keywords(agent, max_turns))
        for _ in run.events:
            pass
        return run


async def _arun(agent, prompt, max_turns=None):
    async with turn_of(agent):
        run = await agent.a_run(message=prompt, **_keywords(agent, max_turns))
        async for _ in run.events:
            pass
        return run


def _items(agent, prompt, max_turns=None):
    with turn_of(agent):
        yield from _chunks(agent.run(message=prompt, **_keywords(agent, max_turns)))


async def _aitems(agent, prompt, max_turns=None):
    async with turn_of(agent):
        async for item in _achunks(await agent.a_run(message=prompt, **_keywords(agent, max_turns))):
            yield item


def _chunks(run):
    reading = _Reading()
    for event in run.events:
        yield from reading.take(event)


async def _achunks(run):
    reading = _Reading()
    async for event in run.events:
        for item in reading.take(event):
            yield item


class _Reading:
    """Makes chunks of a run's events."""

    def __init__(self):
        self._begun = False  # whether the question, which is an event too, is past
        self._words = ""  # of the message under way, where it comes in pieces

    def take(self, event):
        """Yield what an event says to a caller."""
        kind, content = event.type, event.content
        if kind == "stream":
            self._words += content.content
            yield content.content
        elif kind == "text":
            said, self._words = self._words, ""
            if self._begun and (not said or said.strip() != str(content.content).strip()):
                yield content.content
            self._begun = True
        elif kind == "tool_call":
            self._words = ""
            for call in content.tool_calls:
                yield {"type": "tool_call", "id": call.id, "name": call.function.name, "args": call.function.arguments}
        elif kind == "tool_response":
            for one in content.tool_responses:
                yield {"type": "tool_result", "id": one.tool_call_id, "content": one.content}
        elif kind == "run_completion":
            yield {"type": "ChatResult", "content": content.summary, "last_speaker": content.last_speaker}


def _result(walk, value, path):
    """The result of a chat: {"type", "content"}, its summary, and what was said."""
    return _chat(walk, path, value.summary, value.chat_history)


def _finished(walk, value, path):
    """A run as the result of its chat, of which nothing is known until somebody has read its events."""
    if not value._messages:
        from ..plain import EncodeError, place

        raise EncodeError("%s: this chat is not over: call process() of what agent.run(…) returned first" % place(path))
    return _chat(walk, path, value._summary, value._messages, value._last_speaker)


def _chat(walk, path, summary, messages, last=None):
    content = summary.get("content") if isinstance(summary, dict) else summary
    out = {"type": "ChatResult", "content": content, "messages": list(messages or ())}
    if last:
        out["last_speaker"] = last
    return walk.plain(out, path)


def _event(walk, value, path):
    """An event as a function of the author's yields it: text of what is said, else its fields."""
    kind = getattr(value, "type", None)
    if kind in ("text", "stream"):
        return walk.plain(value.content.content, path)
    return walk.plain(value.model_dump(mode="json"), path)
