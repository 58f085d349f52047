"""Turns the input of a call into the arguments of a function.

A Binder is made once per entrypoint and holds a plan, so that the usual call,
keywords that name the parameters, costs a few set operations. What does not
bind is refused before user code runs, with the signature in the message.
"""

import typing

from . import hints, schema_text
from .refusal import BindError
from .validate import Mismatch, also, compile_check, escape, exact_type, nearest


class Binder:
    """Binds inputs to one function. Safe for use by many threads.

    binding, an adapters.adapter.Binding, does it where a framework has its own way.
    """

    def __init__(self, fn, tag, binding=None):
        self.fn = fn
        self.tag = tag
        self.signature = schema_text.signature(fn)
        self._binding = binding
        self._plan = None if binding else _plan(fn)
        self._item_check = _item_check(fn) if self._plan else None

    def bind(self, args, kwargs):
        """Return (args, kwargs) to call the function with, raising BindError."""
        if kwargs is None:
            kwargs = {}
        elif type(kwargs) is not dict:
            raise BindError("the keywords are no JSON object" + self._suffix())
        if args and type(args) is not list:
            raise BindError("the positional arguments are no JSON list" + self._suffix())
        plan = self._plan
        try:
            if plan is None:
                return self._bind_unplanned(args, kwargs)
            names = kwargs.keys()
            if not args and plan.by_name and (names == plan.required or plan.required <= names <= plan.names):
                for name, exact, check, pointer in plan.checks:
                    value = kwargs.get(name, kwargs)
                    if type(value) is not exact and value is not kwargs:
                        kwargs[name] = check(value, pointer)
                return (), kwargs
            return self._bind_slowly(plan, args or (), kwargs)
        except Mismatch as mismatch:
            raise self._error(mismatch) from mismatch

    def bind_item(self, args, kwargs):
        """Return one item for a batch function's list, raising BindError.

        The item is the keywords as a dict, or the one positional argument.
        """
        if args and (kwargs or len(args) > 1):
            raise BindError(
                "one item of a batch is either keywords or one positional argument"
                + self._suffix()
            )
        item = args[0] if args else ({} if kwargs is None else kwargs)
        if self._item_check is None:
            return item
        try:
            return self._item_check(item, "")
        except Mismatch as mismatch:
            raise self._error(mismatch) from mismatch

    def _bind_unplanned(self, args, kwargs):
        if self._binding is not None:
            return self._binding.bind(args or (), kwargs)
        return tuple(args or ()), kwargs  # Python knows no signature: it will tell

    def _bind_slowly(self, plan, args, kwargs):
        problem = plan.problem(args, kwargs)
        if problem is None:
            return plan.check(args, kwargs)
        whole = plan.whole
        if whole is not None and not args and kwargs.keys().isdisjoint(plan.all_names):
            value = kwargs if whole.check is None else whole.check(kwargs, "")
            if whole.keyword_only:
                return (), {whole.name: value}
            return (value,), {}
        raise problem

    def _error(self, mismatch):
        where = "input %s: " % mismatch.pointer if mismatch.pointer else "input: "
        return BindError(where + mismatch.message + self._suffix(), mismatch.pointer)

    def _suffix(self):
        return "; signature: " + self.signature


class _Whole:
    """The one parameter that may be given the whole input object."""

    def __init__(self, parameter, check):
        self.name = parameter.name
        self.keyword_only = parameter.kind is hints.KEYWORD_ONLY
        self.check = check


class _Plan:
    """What a signature says, in the form that binding asks for."""

    def __init__(self, parameters, resolved):
        self.parameters = parameters
        self.positional = [
            p.name for p in parameters if p.kind in (hints.POSITIONAL_ONLY, hints.POSITIONAL)
        ]
        self.named = {
            p.name for p in parameters if p.kind in (hints.POSITIONAL, hints.KEYWORD_ONLY)
        }
        self.plain = [
            p for p in parameters if p.kind not in (hints.VAR_POSITIONAL, hints.VAR_KEYWORD)
        ]
        self.all_names = {p.name for p in self.plain}
        self.required = {p.name for p in self.plain if p.default is hints.EMPTY}
        self.rest = _of_kind(parameters, hints.VAR_POSITIONAL)
        self.extra = _of_kind(parameters, hints.VAR_KEYWORD)
        self.check_of = {p.name: _parameter_check(p, resolved) for p in parameters}
        self.names = self.named
        self.by_name = not any(p.kind is hints.POSITIONAL_ONLY for p in parameters)
        # The type of which every value is right as it is spares the call of the check.
        self.checks = [
            (p.name, exact_type(resolved.get(p.name)), self.check_of[p.name], "/" + escape(p.name))
            for p in self.plain
            if self.check_of[p.name] is not None
        ]
        whole = hints.whole_parameter(parameters, resolved)
        self.whole = None if whole is None else _Whole(whole, self.check_of[whole.name])

    def problem(self, args, kwargs):
        """Return the Mismatch that keeps the input from binding, or None."""
        if len(args) > len(self.positional) and self.rest is None:
            return Mismatch(
                "", "%d positional arguments, at most %d taken" % (len(args), len(self.positional))
            )
        given = set(self.positional[: len(args)])
        for name in kwargs:
            if name in given and name in self.named:
                return Mismatch("/" + escape(name), "given twice, by position and by name")
        missing = [n for n in self._required_in_order() if n not in given and not self._names(kwargs, n)]
        if self.extra is None:
            for name in kwargs:
                if name not in self.named:
                    return self._unexpected(name, missing)
        if missing:
            return Mismatch("/" + escape(missing[0]), "missing" + also(missing[1:]))
        return None

    def _names(self, kwargs, name):
        return name in kwargs and name in self.named

    def _required_in_order(self):
        return [p.name for p in self.plain if p.name in self.required]

    def _unexpected(self, name, missing):
        pointer = "/" + escape(name)
        if name in self.all_names:
            return Mismatch(pointer, "can be given by position only")
        near = nearest(name, missing) or nearest(name, self.named)
        if not near and missing:
            near = "; missing: " + ", ".join(missing)
        return Mismatch(pointer, "no such parameter" + near)

    def check(self, args, kwargs):
        """Check the types of an input whose names fit, and return it converted."""
        out = []
        for at, value in enumerate(args):
            name = self.positional[at] if at < len(self.positional) else self.rest.name
            check = self.check_of[name]
            out.append(value if check is None else check(value, "/%d" % at))
        extra = None if self.extra is None else self.check_of[self.extra.name]
        for name, value in kwargs.items():
            check = self.check_of[name] if name in self.named else extra
            if check is not None:
                kwargs[name] = check(value, "/" + escape(name))
        return tuple(out), kwargs


def _of_kind(parameters, kind):
    return next((p for p in parameters if p.kind is kind), None)


def _plan(fn):
    found = hints.signature(fn)
    if found is None:
        return None
    return _Plan(list(found.parameters.values()), hints.annotations(fn))


def _parameter_check(parameter, resolved):
    try:
        check = compile_check(resolved.get(parameter.name, hints.EMPTY))
    except Exception:  # an annotation may be any object, and not a type
        return None
    if check is None or parameter.default is not None:
        return check
    # A default of None says that None is fine, whatever the annotation says.
    return lambda value, pointer: None if value is None else check(value, pointer)


def _item_check(fn):
    """Return the check of the items of a function's first parameter, a list."""
    found = hints.signature(fn)
    if found is None or not found.parameters:
        return None
    name = next(iter(found.parameters))
    hint, _ = hints.strip(hints.annotations(fn).get(name, hints.EMPTY))
    parts = typing.get_args(hint)
    try:
        return compile_check(parts[0]) if len(parts) == 1 else None
    except Exception:  # as for a parameter
        return None
