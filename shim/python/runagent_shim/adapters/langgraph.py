"""LangGraph: compiled graphs, their commands and the state they take."""

import sys

from .. import hints
from ..jsonschema import DIALECT, schema_of
from . import langchain
from .adapter import Adapted, Adapter

_METHODS = frozenset(("invoke", "ainvoke", "stream", "astream", "astream_events", "batch", "abatch"))
_COMMAND_KEYS = frozenset(("resume", "update", "goto", "graph"))


class LangGraph(Adapter):
    """Knows graphs."""

    NAMES = "a compiled LangGraph graph or a method of one, such as graph or graph.invoke"

    def adapt(self, value, wanted):
        """Serve a graph by the method that fits, or one of its methods."""
        base = sys.modules["langgraph.pregel"].Pregel
        if isinstance(value, base):
            name = _method_for(value, wanted)
            return Adapted(getattr(value, name), GraphBinding(value, name), chosen=True)
        owner, name = getattr(value, "__self__", None), getattr(value, "__name__", None)
        if isinstance(owner, base) and name in _METHODS:
            return Adapted(value, GraphBinding(owner, name))
        return None

    def handler(self, kind):
        """Make objects of sends."""
        send = getattr(sys.modules.get("langgraph.types"), "Send", None)
        return _send if isinstance(send, type) and issubclass(kind, send) else None


ADAPTER = LangGraph()


def _method_for(graph, wanted):
    name = langchain.method_for(wanted)
    if name in ("invoke", "stream") and _is_async(graph):
        return "a" + name
    return name


def _is_async(graph):
    """Say whether a graph can run on an event loop only."""
    saver = getattr(graph, "checkpointer", None)
    if saver is not None and type(saver).__name__.startswith("Async"):
        return True
    bound = (getattr(node, "bound", None) for node in getattr(graph, "nodes", {}).values())
    return any(getattr(one, "afunc", None) is not None and getattr(one, "func", 0) is None for one in bound)


class GraphBinding(langchain.CallBinding):
    """Tells a graph's state from the keywords of the call, and makes commands."""

    def __init__(self, graph, name):
        super().__init__(graph, name)
        self._graph = graph

    def whole(self, kwargs):
        """Take {"command": {"resume": …}} as a Command."""
        if _is_command(kwargs.get("command")) and kwargs.keys() - {"command"} <= self.keywords():
            return (_command(kwargs.pop("command")),), kwargs
        return None

    def value(self, value):
        """Return an input, made a Command where it says so."""
        if isinstance(value, dict) and value.keys() == {"command"} and _is_command(value["command"]):
            return _command(value["command"])
        return value

    def input_schema(self):
        """Return the schema of the graph's state, read without pydantic's help.

        The graph could tell by itself, by building models: too slow for a start.
        """
        builder = getattr(self._graph, "builder", None)
        for name in ("input_schema", "input", "state_schema", "schema"):
            state = getattr(builder, name, None)
            if isinstance(state, type) and (hints.is_typed_dict(state) or hints.is_dict_like(state)):
                return _state_schema(state)
        return None


def _state_schema(state):
    defs = {}
    schema = schema_of(state, defs)
    found = defs.get(schema.get("$ref", "").rpartition("/")[2], schema)
    out = {"$schema": DIALECT}
    out.update((key, value) for key, value in found.items() if key != "required")
    rest = {name: value for name, value in defs.items() if value is not found}
    if rest:
        out["$defs"] = rest
    return out


def _is_command(value):
    return isinstance(value, dict) and bool(value) and value.keys() <= _COMMAND_KEYS


def _command(fields):
    """Return LangGraph's Command."""
    types = sys.modules["langgraph.types"]
    fields = dict(fields)
    if "goto" in fields:
        goto = fields["goto"]
        fields["goto"] = (
            [_target(types, step) for step in goto]
            if isinstance(goto, list)
            else _target(types, goto)
        )
    return types.Command(**fields)


def _target(types, step):
    """Return a node's name, or a Send for {"node", "input"}."""
    if isinstance(step, dict) and step.keys() == {"node", "input"}:
        return types.Send(step["node"], step["input"])
    return step


def _send(walk, value, path):
    return walk.plain({"node": value.node, "input": value.arg}, path)
