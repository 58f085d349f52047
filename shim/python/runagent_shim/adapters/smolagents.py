"""smolagents: agents that keep the steps of a run in themselves.

Each call gets a copy with a memory of its own, beside the same model and tools:
of a copy that nobody runs, since functions of the author's may run the agent.
"""

import copy
import inspect
import sys

from .. import usage
from .adapter import Adapted, Adapter
from .copies import shallow
from .prompts import PromptBinding, serving

_KEYWORDS = {"additional_args": "object", "max_steps": "integer"}


class Smolagents(Adapter):
    """Knows agents, and the steps and deltas of their runs."""

    NAMES = "a smolagents agent, or agent.run"

    def adapt(self, value, wanted):
        """Serve an agent's run on threads: smolagents has no other."""
        owner, method = getattr(value, "__self__", None), getattr(value, "__name__", None)
        if owner is None:
            owner, method = value, None
        if method not in (None, "run") or not isinstance(owner, _kind("smolagents.agents", "MultiStepAgent")):
            return None
        taken = {name: _KEYWORDS[name] for name in _KEYWORDS.keys() & inspect.signature(owner.run).parameters.keys()}
        binding = PromptBinding(("task",), taken)
        fn = _items if wanted.streams else _run
        doc = getattr(owner, "description", None)
        return Adapted(serving(fn, fresh(owner), name="run", binding=binding, doc=doc), binding, chosen=True)

    def handler(self, kind):
        """Make objects of results and steps, without the messages that made them."""
        for name, found in _HANDLERS:
            if issubclass(kind, _kind("smolagents.agents", name)):
                return found
        return None


ADAPTER = Smolagents()


def _kind(module, name):
    """Return a class of smolagents, or () where its module is not loaded."""
    return getattr(sys.modules.get(module), name, ())


def fresh(agent):
    """Return a copy of an agent, and of those it manages, that shares no state with it."""
    mine = shallow(agent)
    mine.memory = _memory(agent.memory)
    mine.state = dict(agent.state)
    mine.monitor = type(agent.monitor)(agent.model, agent.logger)
    mine.step_callbacks = _callbacks(agent, mine)
    mine.managed_agents = {name: fresh(one) for name, one in agent.managed_agents.items()}
    if type(getattr(agent, "python_executor", None)).__name__ == "LocalPythonExecutor":
        mine.python_executor = mine.create_python_executor()
    return mine


def _memory(theirs):
    """Return a copy of what an agent remembers. A run makes the system's prompt anew, and adds steps."""
    if type(theirs) is not _kind("smolagents.memory", "AgentMemory"):
        return copy.deepcopy(theirs)
    mine = shallow(theirs)
    mine.steps = copy.deepcopy(theirs.steps) if theirs.steps else []
    return mine


def _callbacks(agent, mine):
    """The author's callbacks, with the copy's monitor in the place of the agent's."""

    def ours(found):
        return [mine.monitor.update_metrics if one == agent.monitor.update_metrics else one for one in found]

    theirs = shallow(agent.step_callbacks)
    if isinstance(theirs, list):  # as versions before 1.20 have them
        return ours(theirs)
    theirs._callbacks = {kind: ours(found) for kind, found in theirs._callbacks.items()}
    return theirs


def _run(agent, task, **keywords):
    mine = fresh(agent)
    try:
        return mine.run(task, **keywords)
    finally:
        _count(mine)


def _items(agent, task, **keywords):
    """Yield words, calls of tools and their results, and the final answer."""
    mine = fresh(agent)
    stream = mine.run(task, stream=True, **keywords)
    try:
        for event in stream:
            item = _item(event)
            if item is not None:
                yield item
    finally:
        stream.close()
        _count(mine)


def _count(agent):
    """Report the tokens of a run: the model is the agent's one."""
    monitor = agent.monitor
    into, out = monitor.total_input_token_count, monitor.total_output_token_count
    if into or out:
        usage.add("smolagents", getattr(agent.model, "model_id", None), into, out)


def _item(event):
    name = type(event).__name__
    if name == "ChatMessageStreamDelta":
        return event.content or None
    if name in ("ToolCall", "ToolOutput", "PlanningStep", "FinalAnswerStep"):
        return event
    if name == "ActionStep" and event.error is not None:
        return event
    return None  # what was said by the others already


def _result(walk, value, path):
    """A full result: {"type", "content", "state"}, and the steps."""
    out = {"type": "RunResult", "content": walk.plain(value.output, ("content", path)), "state": value.state}
    out["steps"] = walk.plain([_short(step) for step in value.steps or ()], ("steps", path))
    return out


def _short(step):
    """A step without the messages that the model was sent."""
    return {k: v for k, v in step.items() if not k.startswith("model_")} if isinstance(step, dict) else step


def _delta(walk, value, path):
    """A piece of an answer as a function of the author's yields it: its text."""
    return value.content or ""


def _call(walk, value, path):
    return {"type": "tool_call", **_called(walk, value, path)}


def _called(walk, call, path):
    return {"id": call.id, "name": call.name, "args": walk.plain(call.arguments, ("args", path))}


def _tool_output(walk, value, path):
    out = {"type": "tool_result", **_called(walk, value.tool_call, path), "id": value.id}
    out["content"] = walk.plain(value.output, ("content", path))
    return out


def _final(walk, value, path):
    answer = value.output if hasattr(value, "output") else value.final_answer  # as versions before 1.20 call it
    return {"type": "FinalAnswerStep", "content": walk.plain(answer, ("content", path))}


def _plan(walk, value, path):
    return {"type": "PlanningStep", "content": value.plan}


def _action(walk, value, path):
    out = {"type": "ActionStep", "step": value.step_number, "content": walk.plain(value.action_output, ("content", path))}
    if value.error is not None:
        out["error"] = {"type": type(value.error).__name__, "message": str(value.error)}
    return out


_HANDLERS = (
    ("RunResult", _result),
    ("ChatMessageStreamDelta", _delta),
    ("ToolCall", _call),
    ("ToolOutput", _tool_output),
    ("FinalAnswerStep", _final),
    ("PlanningStep", _plan),
    ("ActionStep", _action),
)
