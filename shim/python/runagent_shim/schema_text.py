"""The signature of a function as text, as its author would read it."""

from . import hints

MAX_DEFAULT = 60


def signature(fn):
    """Return name(parameters) -> result; just name(…) where Python knows none."""
    name = getattr(fn, "__name__", None) or type(fn).__name__
    found = hints.signature(fn)
    if found is None:
        return name + "(…)"
    try:
        return name + _parameters(found)
    except Exception:  # a default whose repr raises
        return "%s(%s)" % (name, ", ".join(found.parameters))


def _parameters(found):
    parts = []
    star = slash = False
    for parameter in found.parameters.values():
        kind = parameter.kind
        if slash and kind is not hints.POSITIONAL_ONLY:
            parts.append("/")
            slash = False
        if kind is hints.POSITIONAL_ONLY:
            slash = True
        elif kind is hints.VAR_POSITIONAL:
            star = True
        elif kind is hints.KEYWORD_ONLY and not star:
            parts.append("*")
            star = True
        parts.append(_parameter(parameter))
    if slash:
        parts.append("/")
    text = "(%s)" % ", ".join(parts)
    if found.return_annotation is not hints.EMPTY:
        text += " -> " + _annotation(found.return_annotation)
    return text


def _parameter(parameter):
    text = parameter.name
    if parameter.kind is hints.VAR_POSITIONAL:
        text = "*" + text
    elif parameter.kind is hints.VAR_KEYWORD:
        text = "**" + text
    annotated = parameter.annotation is not hints.EMPTY
    if annotated:
        text += ": " + _annotation(parameter.annotation)
    if parameter.default is not hints.EMPTY:
        default = repr(parameter.default)
        if len(default) > MAX_DEFAULT:
            default = "…"
        text += (" = " if annotated else "=") + default
    return text


def _annotation(annotation):
    if isinstance(annotation, str):
        return annotation
    return hints.text(annotation)
