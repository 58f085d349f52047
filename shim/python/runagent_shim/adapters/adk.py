"""Google ADK: agents, run by a runner with sessions in memory."""

import inspect
import sys

from .. import usage
from ..validate import Mismatch
from .adapter import Adapted, Adapter
from .copies import new_id
from .prompts import PromptBinding, serving

_APP = "runagent"
_USER = "user"


class ADK(Adapter):
    """Knows agents and their events."""

    NAMES = "a Google ADK agent, such as root_agent"

    def adapt(self, value, wanted):
        """Serve an agent by a runner of its own, made at its first call."""
        if not isinstance(value, _kind("google.adk.agents.base_agent", "BaseAgent")) or _is_old():
            return None
        binding = _TurnBinding((), _KEYWORDS, _of_messages)
        fn = serving(_items if wanted.streams else _run, _Runner(value), name=value.name, binding=binding, doc=value.description)
        return Adapted(fn, binding, chosen=True)

    def handler(self, kind):
        """Make objects of events."""
        event = _kind("google.adk.events.event", "Event")
        return _event if issubclass(kind, event) else None


ADAPTER = ADK()
_KEYWORDS = {"session_id": "string", "user_id": "string", "state_delta": "object"}


def _kind(module, name):
    """Return a class of ADK, or () where its module is not loaded."""
    return getattr(sys.modules.get(module), name, ())


def _is_old():
    """Say whether sessions are those of before version 1, which are not awaited."""
    service = _kind("google.adk.sessions.base_session_service", "BaseSessionService")
    return service and not inspect.iscoroutinefunction(service.create_session)


class _TurnBinding(PromptBinding):
    """Takes what a turn takes."""

    def bind(self, args, kwargs):
        """Return ((prompt,), keywords), raising Mismatch."""
        bound, keywords = super().bind(args, kwargs)
        if not keywords:
            return bound, keywords
        return bound, {name: value for name, value in keywords.items() if value is not None}


def _of_messages(found):
    if len(found) != 1 or found[0]["role"] != "user":
        raise Mismatch("/messages", "expected one message of the user; what was said before is in the session: send session_id")
    return found[0]["content"], {}


class _Runner:
    """Runs one agent. Sessions live as long as the instance."""

    def __init__(self, agent):
        self._agent, self._runner = agent, None
        self._kinds = None  # of what a turn is made of, from the first turn on

    async def events(self, prompt, streams, session_id=None, user_id=_USER, state_delta=None):
        """Yield the events of one turn, in the session named or in a new one.

        Raises what the model has told as its failure, if nothing was said after it.
        """
        if self._runner is None:
            self._start()
        types, config, modes = self._kinds
        sessions, kept = self._runner.session_service, session_id is not None
        session_id = session_id or new_id()
        of = {"app_name": _APP, "user_id": user_id, "session_id": session_id}
        if not kept or await sessions.get_session(**of) is None:
            await sessions.create_session(**of)
        mode = modes.SSE if streams else modes.NONE
        turn = self._runner.run_async(
            user_id=user_id,
            session_id=session_id,
            new_message=types.Content(role="user", parts=[types.Part(text=prompt)]),
            state_delta=state_delta,
            run_config=config(streaming_mode=mode),
        )
        failure = None
        try:
            async for event in turn:
                _count(event)
                failure = _failure(event, failure)
                yield event
            if failure is not None:
                raise failure
        finally:
            await turn.aclose()
            if not kept:
                await sessions.delete_session(**of)

    def _start(self):
        from google.adk.agents.run_config import RunConfig, StreamingMode
        from google.adk.runners import InMemoryRunner
        from google.genai import types

        self._kinds = types, RunConfig, StreamingMode
        self._runner = InMemoryRunner(self._agent, app_name=_APP)


async def _run(runner, prompt, **keywords):
    """Return what was said last: {"type", "content", "author", "tool_calls"}."""
    out = {"type": "AgentOutput", "content": "", "author": "", "tool_calls": []}
    turn = runner.events(prompt, False, **keywords)
    try:
        async for event in turn:
            text = _text(event)
            if text:
                out.update(content=text, author=event.author)
            out["tool_calls"].extend(_results(event))
    finally:
        await turn.aclose()
    return out


async def _items(runner, prompt, **keywords):
    """Yield words as they come, calls of tools and their results."""
    turn = runner.events(prompt, True, **keywords)
    speaking = set()  # agents that work side by side speak at the same time
    try:
        async for event in turn:
            text, who = _text(event), (event.author, event.branch)
            if text and (event.partial or who not in speaking):
                yield text
            if not event.partial:
                speaking.discard(who)
            elif text:
                speaking.add(who)
            if event.partial:
                continue
            for call in event.get_function_calls():
                yield {"type": "tool_call", "id": call.id, "name": call.name, "args": call.args}
            for result in _results(event):
                yield {"type": "tool_result", **result}
    finally:
        await turn.aclose()


def _text(event):
    parts = event.content.parts if event.content and event.content.parts else ()
    return "".join(part.text for part in parts if part.text and not part.thought)


def _failure(event, before):
    """Return what ends a turn as an error: ADK returns refusals of models, and answers that were cut, as events."""
    if _text(event) or event.get_function_calls():
        return None
    if not event.error_code:
        return before
    code = getattr(event.error_code, "value", event.error_code)
    return RuntimeError("%s: %s" % (code, event.error_message or "the model gave no answer"))


def _results(event):
    return [{"id": one.id, "name": one.name, "content": one.response} for one in event.get_function_responses()]


def _count(event):
    found = event.usage_metadata
    if found is not None and not event.partial:
        into, out = found.prompt_token_count, found.candidates_token_count
        usage.add("adk", event.model_version, into, out, found.total_token_count, key=event.id)


def _event(walk, value, path):
    """An event as a function of the author's yields it: {"type", "content", "author"} and its calls."""
    out = {"type": "Event", "content": _text(value), "author": value.author, "partial": bool(value.partial)}
    calls = [{"id": call.id, "name": call.name, "args": call.args} for call in value.get_function_calls()]
    for name, found in (("tool_calls", calls), ("tool_results", _results(value))):
        if found:
            out[name] = walk.plain(found, (name, path))
    return out
