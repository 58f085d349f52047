"""LangGraph: compiled graphs, their commands and the state they take."""

import sys

from .. import hints
from ..jsonschema import DIALECT, schema_of
from ..validate import Mismatch, compile_check, escape, nearest
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
        self._builder = getattr(graph, "builder", None)
        self._checks = _checks(_state(self._builder, _INPUTS))
        self._streams = name in ("stream", "astream", "astream_events")

    def whole(self, kwargs):
        """Take {"command": {"resume": …}} as a Command."""
        if _is_command(kwargs.get("command")) and kwargs.keys() - {"command"} <= self.keywords():
            return (_command(kwargs.pop("command")),), kwargs
        return None

    def value(self, value):
        """Return an input, made a Command where it says so, raising Mismatch where it is no state of the graph."""
        if self._many and isinstance(value, list):
            for one in value:
                self._check(one)
            return value
        if isinstance(value, dict) and value.keys() == {"command"} and _is_command(value["command"]):
            return _command(value["command"])
        self._check(value)
        return value

    def _check(self, value):
        if self._checks is None or not isinstance(value, dict):
            return
        for name, field in value.items():
            if name not in self._checks:
                known = nearest(name, self._checks) or "; there are: " + ", ".join(self._checks)
                raise Mismatch("/" + escape(name), "the graph's state has no such field" + known)
            if self._checks[name] is not None:
                self._checks[name](field, "/" + escape(name))

    def input_schema(self):
        """Return the schema of the graph's state, read without pydantic's help.

        The graph could tell by itself, by building models: too slow for a start.
        """
        return _schema_of(_state(self._builder, _INPUTS))

    def output_schema(self):
        """Return the schema of the state that the graph returns, None of a stream: its mode decides."""
        return None if self._streams or self._many else _schema_of(_state(self._builder, _OUTPUTS))


_INPUTS = ("input_schema", "input", "state_schema", "schema")
_OUTPUTS = ("output_schema", "output", "state_schema", "schema")


def _state(builder, names):
    """Return the class of what a graph takes or gives, None where it is of no known kind."""
    for name in names:
        state = getattr(builder, name, None)
        if isinstance(state, type) and (hints.is_typed_dict(state) or hints.is_dict_like(state)):
            return state
    return None


def _checks(state):
    """Return {field: check or None} of the state that a graph takes, None where any will do.

    What a field's reducer takes is its own business: such a field is not checked.
    """
    if state is None or not (hints.is_typed_dict(state) or hints.is_model(state) or hasattr(state, "__dataclass_fields__")):
        return None
    found = {}
    for name, hint in hints.class_hints(state).items():
        reduced = any(callable(extra) for extra in hints.strip(hint)[1])
        found[name] = None if reduced or hint is hints.EMPTY else compile_check(hint)
    if hints.is_model(state):  # by their aliases, as pydantic has it
        for name, field in getattr(state, "model_fields", {}).items():
            if field.alias:
                found[field.alias] = found.get(name)
    return found or None


def _schema_of(state):
    return None if state is None else _state_schema(state)


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
