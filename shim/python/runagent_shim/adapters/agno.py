"""Agno: agents, teams and workflows.

They tell a run's state from their own, so that many may run at once; but
without a session they make one and keep to it, whoever calls.
"""

import inspect
import sys

from .. import usage
from .adapter import Adapted, Adapter
from .copies import new_id
from .prompts import PromptBinding, serving

_KEYWORDS = {
    "user_id": "string",
    "session_id": "string",
    "session_state": "object",
    "dependencies": "object",
    "metadata": "object",
    "knowledge_filters": None,
    "add_history_to_context": "boolean",
    "additional_data": "object",
}


class Agno(Adapter):
    """Knows what runs, what a run returns, and its events."""

    NAMES = "an Agno agent, team or workflow, or a method such as agent.run or agent.arun"

    def adapt(self, value, wanted):
        """Serve run on threads, and arun on the event loop."""
        owner, method = getattr(value, "__self__", None), getattr(value, "__name__", None)
        if owner is None:
            owner, method = value, None
        if method not in (None, "run", "arun") or not isinstance(owner, _runners()):
            return None
        return _adapted(owner, method, wanted)

    def handler(self, kind):
        """Make objects of what runs return, and chunks of events."""
        for module, name, found in _HANDLERS:
            if issubclass(kind, _kind(module, name)):
                return found
        return None


ADAPTER = Agno()


def _kind(module, name):
    """Return a class of Agno, or () where its module is not loaded."""
    return getattr(sys.modules.get(module), name, ())


def _runners():
    homes = (("agno.agent.agent", "Agent"), ("agno.team.team", "Team"), ("agno.workflow.workflow", "Workflow"))
    return tuple(kind for kind in (_kind(*home) for home in homes) if kind)


def _adapted(owner, method, wanted):
    taken = {name: _KEYWORDS[name] for name in _KEYWORDS.keys() & inspect.signature(owner.run).parameters.keys()}
    binding = PromptBinding(("input",), taken, lambda found: (found, {}), takes=None)
    if wanted.streams:
        fn = _aitems if method == "arun" or wanted.kind == "async" else _items
    else:
        fn = _arun if method == "arun" or (method is None and wanted.kind == "async") else _run
    doc = getattr(owner, "description", None)
    fn = serving(fn, owner, bool(owner.session_id), name=method or "run", binding=binding, doc=doc)
    return Adapted(fn, binding, chosen=True)


def _run(owner, keeps, prompt, **keywords):
    return _whole(owner.run(prompt, stream=False, **_session(keeps, keywords)))


async def _arun(owner, keeps, prompt, **keywords):
    return _whole(await owner.arun(prompt, stream=False, **_session(keeps, keywords)))


def _items(owner, keeps, prompt, **keywords):
    reading = _Reading(owner)
    run = owner.run(prompt, stream=True, stream_events=True, **_session(keeps, keywords))
    try:
        for event in run:
            yield from reading.take(event)
    finally:
        run.close()
    yield from reading.rest()


async def _aitems(owner, keeps, prompt, **keywords):
    reading = _Reading(owner)
    run = owner.arun(prompt, stream=True, stream_events=True, **_session(keeps, keywords))
    try:
        async for event in run:
            for item in reading.take(event):
                yield item
    finally:
        await run.aclose()
    for item in reading.rest():
        yield item


def _session(keeps, keywords):
    """Give each call a session of its own, unless it names one or the agent's author has."""
    if not keeps and not keywords.get("session_id"):
        keywords["session_id"] = new_id()
    return keywords


def _whole(output):
    """Return what a run returned, after a look at whether it failed: Agno returns failures."""
    _count(output)
    if _status(output) == "ERROR":
        raise _kind("agno.exceptions", "AgnoError")(_text(output.content))
    return output


def _status(output):
    status = getattr(output, "status", None)
    return str(getattr(status, "value", status))


def _text(content):
    return content if isinstance(content, str) else str(content)


def _count(output):
    """Report a run's tokens, by model."""
    metrics = getattr(output, "metrics", None)
    if getattr(metrics, "total_tokens", 0):
        model = getattr(output, "model", None)
        usage.add("agno", model, metrics.input_tokens, metrics.output_tokens, metrics.total_tokens)


class _Reading:
    """Makes chunks of a run's events."""

    def __init__(self, owner):
        self._team = isinstance(owner, _kind("agno.team.team", "Team"))
        self._words = False
        self._last = None

    def take(self, event):
        """Yield what an event says to a caller: a chunk or nothing."""
        name = getattr(event, "event", "")
        name = name[4:] if name.startswith("Team") else name
        if name == "RunContent":
            yield from self._content(event)
        elif name in ("RunError", "WorkflowError"):
            raise _failure(event)
        elif name in ("RunCompleted", "WorkflowCompleted"):
            _count(event)
            self._last = event
        elif name in _TELLING:
            yield event

    def rest(self):
        """Yield the whole answer where none of it came in pieces."""
        if not self._words and self._last is not None and self._last.content is not None:
            yield self._last.content

    def _content(self, event):
        if getattr(event, "reasoning_content", None):
            yield {"type": "reasoning", "content": event.reasoning_content}
        if event.content in (None, ""):
            return
        if self._team and not event.event.startswith("Team"):
            yield {"type": "member", "agent": event.agent_name, "content": event.content}
        else:
            self._words = True
            yield event.content


_TELLING = frozenset(
    (
        "ToolCallStarted",
        "ToolCallCompleted",
        "RunPaused",
        "RunCancelled",
        "StepStarted",
        "StepCompleted",
        "WorkflowPaused",
        "CustomEvent",
    )
)


def _failure(event):
    of_model = getattr(event, "error_type", None) == "model_provider_error"
    kind = _kind("agno.exceptions", "ModelProviderError" if of_model else "AgnoError")
    return kind(_text(getattr(event, "content", None) or getattr(event, "error", "")))


def _output(walk, value, path):
    """What a run returns: {"type", "content"}, who said it, the session, calls of tools."""
    out = {"type": type(value).__name__, "content": walk.plain(value.content, ("content", path))}
    for name in ("agent_name", "team_name", "workflow_name", "run_id", "session_id", "reasoning_content"):
        if getattr(value, name, None):
            out[name] = getattr(value, name)
    out["status"] = _status(value)
    out["tool_calls"] = [_tool(walk, tool, ("tool_calls", path)) for tool in getattr(value, "tools", None) or ()]
    state = {k: v for k, v in (getattr(value, "session_state", None) or {}).items() if not k.startswith("current_")}
    for name, field in (("session_state", state), ("citations", getattr(value, "citations", None))):
        if field:
            out[name] = walk.plain(field, (name, path))
    return out


def _tool(walk, tool, path):
    out = {"id": tool.tool_call_id, "name": tool.tool_name, "args": walk.plain(tool.tool_args, path)}
    if tool.result is not None or tool.tool_call_error is not None:
        out.update(content=walk.plain(tool.result, path), is_error=bool(tool.tool_call_error))
    return out


def _event(walk, value, path):
    """An event, by the rules for chunks where there is one."""
    name = value.event[4:] if value.event.startswith("Team") else value.event
    if name == "RunContent":
        return walk.plain(value.content, path)
    if name == "ToolCallStarted":
        return {"type": "tool_call", **_tool(walk, value.tool, path)}
    if name == "ToolCallCompleted":
        return {"type": "tool_result", **_tool(walk, value.tool, path)}
    if name in ("StepStarted", "StepCompleted"):
        out = {"type": "step", "name": value.step_name, "state": name[4:].lower()}
        if name == "StepCompleted":
            out["content"] = walk.plain(value.content, ("content", path))
        return out
    out = {"type": value.event, "content": walk.plain(getattr(value, "content", None), ("content", path))}
    if getattr(value, "tools", None):
        out["tool_calls"] = [_tool(walk, tool, path) for tool in value.tools]
    return out


_HANDLERS = (
    ("agno.run.agent", "RunOutput", _output),
    ("agno.run.team", "TeamRunOutput", _output),
    ("agno.run.workflow", "WorkflowRunOutput", _output),
    ("agno.run.base", "BaseRunOutputEvent", _event),
)
