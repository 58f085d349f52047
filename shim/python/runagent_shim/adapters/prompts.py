"""Inputs of agents: a prompt or messages, and keywords of the call."""

import functools
import inspect

from ..jsonschema import DIALECT
from ..validate import Mismatch, escape, nearest
from .adapter import Binding

_ROLES = frozenset(("system", "developer", "user", "assistant", "tool"))


class PromptBinding(Binding):
    """Binds one prompt, by position or by one of its names, and the call's keywords.

    names: what the prompt may be called; "prompt" is one of them always.
    keywords: what else is taken, handed on as it is; as a dict each with its
    JSON Schema type, None where anything will do, and null is always taken.
    of_messages: makes (prompt, keywords) of "messages", a checked list; None:
    there is no such input. takes: the type of the prompt, as of keywords.
    """

    def __init__(self, names=(), keywords=(), of_messages=None, takes="string"):
        self._names = tuple(dict.fromkeys((*names, "prompt")))
        self._keywords = tuple(sorted(set(keywords) - set(self._names)))
        self._types = dict(keywords) if isinstance(keywords, dict) else {}
        self._of_messages = of_messages
        self._takes = takes
        self._ways = self._names + (("messages",) if of_messages else ())
        self._known = frozenset(self._ways + self._keywords)

    def bind(self, args, kwargs):
        """Return ((prompt,), keywords), raising Mismatch."""
        if len(args) > 1:
            raise Mismatch("/1", "there is one position, the prompt")
        way, ways = None, len(args)
        for name, value in kwargs.items():
            if name in self._ways:
                way, ways = name, ways + 1
                continue
            if name not in self._known:
                raise Mismatch("/" + escape(name), "no such input" + self._instead(name))
            wanted = self._types.get(name)
            if wanted and value is not None and not _is(value, wanted):
                raise Mismatch("/" + escape(name), "expected %s, got %s" % (_WORDS[wanted], _kind(value)))
        if ways != 1:
            raise self._not_one(args, [name for name in self._ways if name in kwargs])
        if way is None:
            return (self._checked(args[0], "/0"),), kwargs
        value = kwargs.pop(way)
        if way == "messages" and self._of_messages:
            prompt, more = self._of_messages(messages(value, "/messages"))
            return (prompt,), {**more, **kwargs}
        return (value if type(value) is str else self._checked(value, "/" + way),), kwargs

    def input_schema(self):
        """Return the schema of an object with the prompt and the keywords."""
        prompt = {"type": self._takes} if self._takes else {}
        properties = {name: dict(prompt) for name in self._names}
        if self._of_messages:
            properties["messages"] = MESSAGES
        for name in self._keywords:
            wanted = self._types.get(name)
            properties[name] = {"type": [wanted, "null"]} if wanted else {}
        return {
            "$schema": DIALECT,
            "type": "object",
            "properties": properties,
            "oneOf": [{"required": [name]} for name in self._ways],
            "additionalProperties": False,
        }

    def signature(self):
        """Return the signature as a caller sees it."""
        first = inspect.Parameter(self._names[0], inspect.Parameter.POSITIONAL_OR_KEYWORD)
        rest = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None) for name in self._keywords]
        return inspect.Signature([first, *rest])

    def _checked(self, value, pointer):
        if self._takes == "string" and not isinstance(value, str):
            raise Mismatch(pointer, "expected a string, got %s" % _kind(value))
        return value

    def _instead(self, name):
        return nearest(name, self._known) or "; there are: " + ", ".join(self._ways + self._keywords)

    def _not_one(self, args, given):
        if not given and not args:
            return Mismatch("/" + self._names[0], "missing; give " + " or ".join(self._ways))
        names = (["position"] if args else []) + given
        return Mismatch("/" + escape(given[0]), "the prompt is given twice: as " + " and as ".join(names))


def serving(fn, *bound, name, binding, doc=None):
    """Return fn with its first arguments given, shown as name with the binding's signature."""
    made = functools.partial(fn, *bound)
    made.__name__, made.__doc__ = name, doc or ""
    if hasattr(binding, "signature"):
        made.__signature__ = binding.signature()
    else:
        made.__signature__ = inspect.Signature([inspect.Parameter("fields", inspect.Parameter.VAR_KEYWORD)])
    return made


MESSAGES = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "properties": {"role": {"enum": sorted(_ROLES)}, "content": {"type": "string"}},
        "required": ["role", "content"],
    },
}


def messages(value, pointer):
    """Return a list of {"role", "content"} after a look at it, raising Mismatch."""
    if not isinstance(value, list) or not value:
        raise Mismatch(pointer, 'expected a list of {"role", "content"}')
    for at, message in enumerate(value):
        place = "%s/%d" % (pointer, at)
        if not isinstance(message, dict) or not isinstance(message.get("content"), str):
            raise Mismatch(place, 'expected {"role", "content"}, the content a string')
        if message.get("role") not in _ROLES:
            raise Mismatch(place + "/role", "expected one of " + ", ".join(sorted(_ROLES)))
    return value


_TYPES = {"string": str, "integer": int, "boolean": bool, "array": list, "object": dict}
_WORDS = {"string": "a string", "integer": "an integer", "boolean": "a boolean", "array": "a list", "object": "an object"}


def _is(value, wanted):
    return isinstance(value, _TYPES[wanted]) and (wanted != "integer" or not isinstance(value, bool))


def _kind(value):
    if value is None:
        return "null"
    kinds = ((bool, "a boolean"), ((int, float), "a number"), (str, "a string"), (list, "a list"), (dict, "an object"))
    for kind, name in kinds:
        if isinstance(value, kind):
            return name
    return type(value).__name__
