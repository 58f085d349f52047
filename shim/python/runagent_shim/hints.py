"""Reads signatures and annotations, also those that can't be evaluated whole."""

import builtins
import collections.abc
import inspect
import sys
import types
import typing

EMPTY = inspect.Parameter.empty

POSITIONAL_ONLY = inspect.Parameter.POSITIONAL_ONLY
POSITIONAL = inspect.Parameter.POSITIONAL_OR_KEYWORD
KEYWORD_ONLY = inspect.Parameter.KEYWORD_ONLY
VAR_POSITIONAL = inspect.Parameter.VAR_POSITIONAL
VAR_KEYWORD = inspect.Parameter.VAR_KEYWORD

_UNIONS = (typing.Union, getattr(types, "UnionType", typing.Union))
_MAPPINGS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)


_FORWARD = {}
if sys.version_info >= (3, 14):  # annotations are evaluated when they are asked for
    import annotationlib

    _FORWARD = {"annotation_format": annotationlib.Format.FORWARDREF}


def signature(fn):
    """Return fn's signature, or None where Python knows none."""
    try:
        return inspect.signature(fn, **_FORWARD)
    except (TypeError, ValueError):
        return None
    except Exception:  # a __signature__ property of the author's, raising
        return None


def annotations(fn):
    """Return {parameter: type} of fn, with EMPTY for what can't be resolved."""
    target = _annotated_function(fn)
    try:
        return dict(typing.get_type_hints(target, include_extras=True))
    except Exception:  # one name that is not there spoils them all: go one by one
        return {name: _resolve(hint, target) for name, hint in _raw(target).items()}


def _raw(target):
    if _FORWARD:
        return annotationlib.get_annotations(target, format=annotationlib.Format.FORWARDREF)
    return dict(getattr(target, "__annotations__", None) or {})


def _annotated_function(fn):
    fn = inspect.unwrap(fn)
    while hasattr(fn, "func") and not inspect.isroutine(fn):  # functools.partial
        fn = fn.func
    if inspect.isroutine(fn):
        return getattr(fn, "__func__", fn)
    if isinstance(fn, type):
        return fn.__init__
    return getattr(type(fn), "__call__", fn)


def _resolve(hint, target):
    if not isinstance(hint, str):
        return hint
    names = dict(vars(typing))
    names.update(vars(builtins))
    names.update(getattr(target, "__globals__", {}))
    try:
        return typing.get_type_hints(
            types.SimpleNamespace(__annotations__={"hint": hint}), names, include_extras=True
        )["hint"]
    except Exception:
        return EMPTY


def strip(hint):
    """Return hint without Annotated, Required and the like, and its extras."""
    extras = []
    while True:
        if hasattr(hint, "__metadata__"):
            extras.extend(hint.__metadata__)
            hint = hint.__origin__
        elif _origin_name(hint) in ("Required", "NotRequired", "ReadOnly", "Final", "ClassVar"):
            hint = typing.get_args(hint)[0]
        elif hasattr(hint, "__supertype__"):  # NewType
            hint = hint.__supertype__
        elif type(hint).__name__ == "TypeAliasType":
            hint = hint.__value__
        else:
            return hint, extras


def _origin_name(hint):
    origin = typing.get_origin(hint)
    return getattr(origin, "_name", None) or getattr(origin, "__name__", None)


def is_union(hint):
    """Say whether hint is Union, Optional or X | Y."""
    return typing.get_origin(hint) in _UNIONS


def is_typed_dict(hint):
    """Say whether hint is a TypedDict class, of typing or typing_extensions."""
    return (
        isinstance(hint, type)
        and issubclass(hint, dict)
        and hasattr(hint, "__total__")
        and hasattr(hint, "__required_keys__")
    )


def required_keys(hint):
    """Return the names a TypedDict must have.

    With postponed annotations Python does not see Required and NotRequired,
    so they are read again from the resolved hints.
    """
    required = set(hint.__required_keys__)
    for name, item in class_hints(hint).items():
        while hasattr(item, "__metadata__"):
            item = item.__origin__
        if _origin_name(item) == "NotRequired":
            required.discard(name)
        elif _origin_name(item) == "Required":
            required.add(name)
    return required


def class_hints(cls):
    """Return {field: type} of a class, EMPTY for what can't be resolved."""
    try:
        return typing.get_type_hints(cls, include_extras=True)
    except Exception:
        found = {}
        for base in reversed(cls.__mro__):
            module = sys.modules.get(base.__module__)
            target = types.SimpleNamespace(__globals__=vars(module) if module else {})
            own = _raw(base) if _FORWARD else base.__dict__.get("__annotations__") or {}
            for name, hint in own.items():
                found[name] = _resolve(hint, target)
        return found


def is_model(hint):
    """Say whether hint is a pydantic model class, of v1 or v2."""
    return isinstance(hint, type) and (
        hasattr(hint, "model_validate")
        and hasattr(hint, "model_fields")
        or hasattr(hint, "parse_obj")
        and hasattr(hint, "__fields__")
    )


def is_dict_like(hint):
    """Say whether a value of this type may be given as a whole JSON object."""
    hint, _ = strip(hint)
    if hint is EMPTY or hint is typing.Any or hint is object or isinstance(hint, typing.TypeVar):
        return True
    if is_union(hint):
        return any(is_dict_like(part) for part in typing.get_args(hint))
    origin = typing.get_origin(hint) or hint
    if not isinstance(origin, type):
        return False
    return (
        issubclass(origin, dict)
        or origin in _MAPPINGS
        or is_model(origin)
        or hasattr(origin, "__dataclass_fields__")
    )


def text(hint):
    """Return hint as short text for messages and signatures."""
    if hint is EMPTY or hint is typing.Any:
        return "any"
    if hint is type(None):
        return "None"
    if isinstance(hint, typing.ForwardRef):  # a name that is not there, from 3.14 on
        return hint.__forward_arg__
    if isinstance(hint, type) and not typing.get_args(hint):
        return hint.__qualname__
    return inspect.formatannotation(hint).replace("typing.", "")


def whole_parameter(parameters, resolved):
    """Return the parameter that takes the whole input where names don't fit, or None.

    It is the only one that must be given, or the only one there is, and a
    JSON object is something it may be.
    """
    plain = [p for p in parameters if p.kind not in (VAR_POSITIONAL, VAR_KEYWORD)]
    wanted = [p for p in plain if p.default is EMPTY] or plain
    if len(wanted) == 1 and is_dict_like(resolved.get(wanted[0].name, EMPTY)):
        return wanted[0]
    return None
