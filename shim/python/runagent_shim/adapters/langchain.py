"""LangChain: chains, models, tools, prompts and agents, which are all runnables.

``chain.invoke`` and its kin take one input value and keywords of the call. A
caller who knows nothing of that sends the input's fields as keywords.
"""

import sys
import typing
from contextvars import ContextVar

from .. import hints, usage
from ..validate import Mismatch, also
from .adapter import Adapted, Adapter, Binding

_RUNNABLES = "langchain_core.runnables.base"
_METHODS = frozenset(
    ("invoke", "ainvoke", "stream", "astream", "astream_events", "astream_log", "batch", "abatch")
)

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


class LangChain(Adapter):
    """Knows runnables, messages and the callbacks that count tokens."""

    NAMES = "a LangChain runnable or a method of one, such as chain or chain.invoke"

    def adapt(self, value, wanted):
        """Serve a runnable by the method that fits, or one of its methods."""
        if _RUNNABLES not in sys.modules:
            return None
        base = sys.modules[_RUNNABLES].Runnable
        if isinstance(value, base):
            return Adapted(getattr(value, method_for(wanted)), CallBinding(value, method_for(wanted)), chosen=True)
        owner, name = getattr(value, "__self__", None), getattr(value, "__name__", None)
        if isinstance(owner, base) and name in _METHODS:
            return Adapted(value, CallBinding(owner, name))
        return None

    def handler(self, kind):
        """Make objects of messages."""
        return _message if issubclass(kind, _messages().BaseMessage) else None

    def check(self, hint):
        """Make messages where the annotation says so."""
        return _to_message if _is_message(hint) else None

    def schema(self, hint):
        """Describe a message."""
        if not _is_message(hint):
            return None
        return {"type": ["object", "string"], "description": "a LangChain message"}

    def watch(self):
        """Add a callback to every run."""
        if _RUNNABLES not in sys.modules:
            return False
        from langchain_core.callbacks.base import BaseCallbackHandler
        from langchain_core.tracers.context import register_configure_hook

        counter = _counter(BaseCallbackHandler)()
        register_configure_hook(ContextVar("runagent_usage", default=counter), True)
        return None


ADAPTER = LangChain()


def method_for(wanted):
    """Return the name of the method of a runnable that serves what is wanted."""
    if wanted.streams:
        return "astream" if wanted.kind == "async" else "stream"
    if wanted.kind == "batch":
        return "batch"
    return "ainvoke" if wanted.kind == "async" else "invoke"


class CallBinding(Binding):
    """Tells a runnable's input from the keywords of the call."""

    def __init__(self, runnable, name):
        self._many = name in ("batch", "abatch")
        self._input = "inputs" if self._many else "input"
        found = hints.signature(getattr(runnable, name))
        named = set() if found is None else set(found.parameters)
        self._keywords = (named | _CALL_KEYWORDS) - {"input", "inputs", "kwargs", "self"}

    def bind(self, args, kwargs):
        """Return (args, kwargs), raising Mismatch."""
        if args:
            return self._positional(args, kwargs)
        if self._input in kwargs and kwargs.keys() - {self._input} <= self._keywords:
            value = kwargs.pop(self._input)
            return (self.value(value),), kwargs
        whole = self.whole(kwargs)
        if whole is not None:
            return whole
        return ([self.value(kwargs)] if self._many else self.value(kwargs),), {}

    def keywords(self):
        """Return the names that are the call's own."""
        return self._keywords

    def whole(self, kwargs):
        """Return (args, kwargs) where keywords without an input mean something else, or None."""
        return None

    def value(self, value):
        """Return what the input given as one value stands for."""
        return value

    def _positional(self, args, kwargs):
        unknown = sorted(kwargs.keys() - self._keywords)
        if unknown:
            raise Mismatch(
                "/" + unknown[0],
                "the input is the positional argument; no such keyword of the call" + also(unknown[1:]),
            )
        return (self.value(args[0]),) + tuple(args[1:]), kwargs


def _messages():
    return sys.modules["langchain_core.messages"]


def _is_message(hint):
    """Say whether hint is a message class, or a union of nothing else."""
    hint, _ = hints.strip(hint)
    if hints.is_union(hint):
        return all(_is_message(part) for part in typing.get_args(hint))
    return isinstance(hint, type) and issubclass(hint, _messages().BaseMessage)


def _to_message(value, pointer):
    """Check that makes a message of {"role", "content"} and its other forms."""
    messages = _messages()
    if isinstance(value, messages.BaseMessage):
        return value
    try:
        return messages.convert_to_messages([value])[0]
    except Exception as error:  # it raises several kinds for what is no message
        raise Mismatch(pointer, "expected a message: %s" % error) from error


def _message(walk, value, path):
    """A message or chunk, with the keys of `docs/values.md`."""
    fields = value.__dict__  # asking a model for what it has not takes it long
    out = {"type": value.type, "content": walk.plain(value.content, ("content", path))}
    for name in _ALWAYS:
        if name in fields:
            field = fields[name]
            out[name] = walk.plain(field, (name, path)) if field else field
    for name in _IF_SET:
        field = fields.get(name)
        if field:
            out[name] = walk.plain(field, (name, path))
    return out


_ALWAYS = ("id", "tool_calls", "tool_call_id", "role")
_IF_SET = (
    "name",
    "invalid_tool_calls",
    "tool_call_chunks",
    "status",
    "artifact",
    "usage_metadata",
    "response_metadata",
    "additional_kwargs",
    "chunk_position",
)


def _counter(base):
    """Return the class of a callback that reports the tokens of each answer."""

    class Counter(base):
        run_inline = True  # in the caller's context, which knows the call
        ignore_chain = ignore_agent = ignore_retriever = ignore_custom_event = ignore_retry = True

        def on_llm_end(self, response, **_):
            for generations in response.generations:
                message = getattr(generations[0], "message", None) if generations else None
                found = getattr(message, "usage_metadata", None)
                if found:
                    about = message.response_metadata or {}
                    model = about.get("model_name") or about.get("model")
                    counts = (found.get(name) for name in ("input_tokens", "output_tokens", "total_tokens"))
                    usage.add("langchain", model, *counts)

    return Counter
