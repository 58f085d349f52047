"""The OpenAI SDK: counts the tokens of answers, whole and streamed.

Its answers are pydantic models and its streams iterators: they need no help.
"""

import functools
import sys

from .. import usage
from .adapter import Adapter

# Classes that are made of a model's answer, and hold its usage.
_ANSWERS = (
    ("openai.types.chat", "ChatCompletion"),
    ("openai.types.chat", "ChatCompletionChunk"),
    ("openai.types", "Completion"),
    ("openai.types", "CreateEmbeddingResponse"),
    ("openai.types.responses", "Response"),
)

_NONE = {}


class OpenAI(Adapter):
    """Knows where the SDK makes its answers."""

    def watch(self):
        """Look at each answer as it is made."""
        for module, name in _ANSWERS:
            kind = getattr(sys.modules.get(module), name, None)
            if kind is not None and hasattr(kind, "construct"):
                kind.construct = classmethod(_reporting(kind.construct.__func__))


ADAPTER = OpenAI()


def _reporting(construct):
    @functools.wraps(construct)
    def made(kind, _fields_set=None, **values):
        out = construct(kind, _fields_set, **values)
        if values.get("usage") is not None:
            _report(out)
        return out

    return made


def _report(answer):
    found = answer.__dict__  # asking a model for what it has not takes it long
    counts = getattr(found.get("usage"), "__dict__", _NONE)
    into, out = counts.get("input_tokens"), counts.get("output_tokens")
    if into is None:
        into, out = counts.get("prompt_tokens"), counts.get("completion_tokens")
    # A stream may tell its usage so far with every piece.
    usage.add("openai", found.get("model"), into, out, counts.get("total_tokens"), key=found.get("id"))
