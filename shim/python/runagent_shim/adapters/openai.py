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
    found = getattr(answer, "usage", None)
    counts = [getattr(found, name, None) for name in ("input_tokens", "output_tokens")]
    if counts[0] is None:
        counts = [getattr(found, name, None) for name in ("prompt_tokens", "completion_tokens")]
    total = getattr(found, "total_tokens", None)
    # A stream may tell its usage so far with every piece.
    usage.add("openai", getattr(answer, "model", None), *counts, total, key=getattr(answer, "id", None))
