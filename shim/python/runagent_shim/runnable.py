"""Binds inputs to LangChain's and LangGraph's runnables.

``app.invoke`` and its kin take one input value and keywords of the call. A
caller who knows nothing of that sends the input's fields as keywords.
"""

import sys

from . import hints
from .validate import Mismatch, also

_METHODS = frozenset(
    ("invoke", "ainvoke", "stream", "astream", "astream_events", "astream_log", "batch", "abatch")
)
_LOOKS = ("invoke", "ainvoke", "stream", "astream", "batch")

# Taken beside an input; what the method's signature names comes on top.
_CALL_KEYWORDS = frozenset(
    (
        "config",
        "context",
        "stream_mode",
        "print_mode",
        "output_keys",
        "interrupt_before",
        "interrupt_after",
        "durability",
        "checkpoint_during",
        "subgraphs",
        "debug",
        "stop",
        "version",
        "return_exceptions",
    )
)
_COMMAND_KEYS = frozenset(("resume", "update", "goto", "graph"))


def of(fn):
    """Return how to bind fn if it is a runnable's method, else None."""
    owner = getattr(fn, "__self__", None)
    name = getattr(fn, "__name__", None)
    if owner is None or isinstance(owner, type) or name not in _METHODS:
        return None
    if not all(callable(getattr(type(owner), look, None)) for look in _LOOKS):
        return None
    return _Runnable(fn, name)


class _Runnable:
    def __init__(self, fn, name):
        self._many = name in ("batch", "abatch")
        self._input = "inputs" if self._many else "input"
        found = hints.signature(fn)
        named = set() if found is None else set(found.parameters)
        self._keywords = (named | _CALL_KEYWORDS) - {"input", "inputs", "kwargs", "self"}

    def bind(self, args, kwargs):
        """Return (args, kwargs), raising Mismatch."""
        if args:
            return self._positional(args, kwargs)
        if self._input in kwargs and kwargs.keys() - {self._input} <= self._keywords:
            value = kwargs.pop(self._input)
            return (self._value(value),), kwargs
        if _is_command(kwargs.get("command")) and kwargs.keys() - {"command"} <= self._keywords:
            command = _command(kwargs["command"])
            if command is not None:
                del kwargs["command"]
                return (command,), kwargs
        return ([kwargs] if self._many else kwargs,), {}

    def _positional(self, args, kwargs):
        unknown = sorted(kwargs.keys() - self._keywords)
        if unknown:
            raise Mismatch(
                "/" + unknown[0],
                "the input is the positional argument; no such keyword of the call" + also(unknown[1:]),
            )
        return (self._value(args[0]),) + tuple(args[1:]), kwargs

    def _value(self, value):
        """Return an input, made a Command where it says so."""
        if isinstance(value, dict) and value.keys() == {"command"} and _is_command(value["command"]):
            return _command(value["command"]) or value
        return value


def _is_command(value):
    return isinstance(value, dict) and bool(value) and value.keys() <= _COMMAND_KEYS


def _command(fields):
    """Return LangGraph's Command, or None if LangGraph is not loaded."""
    types = sys.modules.get("langgraph.types")
    if types is None:
        return None
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
