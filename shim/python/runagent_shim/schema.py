"""Describes an entrypoint: signature, docstring and JSON Schemas."""

import typing

from . import docstring, hints, schema_text
from .jsonschema import DIALECT, add_default, schema_of


def describe(fn, binding=None):
    """Return {"signature", "description", "input_schema", "output_schema"} of fn.

    binding is how inputs are bound to it where its signature does not say. It
    never raises: what can't be described is left open.
    """
    out = {
        "signature": "",
        "description": "",
        "input_schema": {"$schema": DIALECT, "type": "object"},
        "output_schema": {"$schema": DIALECT},
    }
    for key, find in (
        ("signature", schema_text.signature),
        ("description", _description),
        ("input_schema", lambda fn: input_schema(fn, binding)),
        ("output_schema", lambda fn: output_schema(fn, binding)),
    ):
        try:
            out[key] = find(fn)
        except Exception:  # an author's classes may do anything when looked at
            continue
    return out


def input_schema(fn, binding=None):
    """Return the schema of the input object of fn."""
    if binding is not None:
        return binding.input_schema() or {"$schema": DIALECT, "type": "object"}
    found = hints.signature(fn)
    if found is None:
        return {"$schema": DIALECT, "type": "object"}
    defs = {}
    resolved = hints.annotations(fn)
    parameters = list(found.parameters.values())
    whole = hints.whole_parameter(parameters, resolved)
    if whole is not None and len(parameters) == 1:
        schema = _whole_schema(whole, resolved, defs)
        if schema is not None:
            return _finish(schema, defs)
    described = docstring.parse(_doc(fn)).parameters
    return _finish(_object(parameters, resolved, described, whole, defs), defs)


def output_schema(fn, binding=None):
    """Return the schema of what fn returns; of a stream, of the list of its items."""
    if binding is not None:
        return binding.output_schema() or {"$schema": DIALECT}
    hint = hints.annotations(fn).get("return", hints.EMPTY)
    defs = {}
    return _finish({} if hint is hints.EMPTY else schema_of(hint, defs), defs)


def _description(fn):
    return docstring.parse(_doc(fn)).summary


def _doc(fn):
    own = getattr(fn, "__doc__", None)
    if isinstance(fn, type) or hasattr(fn, "__name__"):
        return own
    return getattr(type(fn).__call__, "__doc__", None) or own


def _object(parameters, resolved, described, whole, defs):
    """Return the schema of keywords that name parameters."""
    properties, required = {}, []
    open_ended = whole is not None
    for parameter in parameters:
        if parameter.kind is hints.VAR_KEYWORD:
            open_ended = True
        if parameter.kind in (hints.VAR_KEYWORD, hints.VAR_POSITIONAL):
            continue
        field = dict(schema_of(resolved.get(parameter.name, hints.EMPTY), defs))
        if parameter.name in described:
            field.setdefault("description", described[parameter.name])
        if parameter.default is hints.EMPTY:
            if parameter is not whole:
                required.append(parameter.name)
        else:
            add_default(field, parameter.default)
            _allow_null(field, parameter.default)
        properties[parameter.name] = field
    out = {"type": "object", "properties": properties}
    if required:
        out["required"] = required
    if not open_ended:
        out["additionalProperties"] = False
    return out


def _allow_null(field, default):
    """A default of None says that null is taken too."""
    if default is not None:
        return
    kinds = field.get("type")
    if isinstance(kinds, str) and kinds != "null" and "enum" not in field:
        field["type"] = [kinds, "null"]


def _whole_schema(whole, resolved, defs):
    """Return the schema of the one parameter that takes the whole object, if it has fields."""
    hint, _ = hints.strip(resolved.get(whole.name, hints.EMPTY))
    if hints.is_union(hint):
        parts = [part for part in typing.get_args(hint) if part is not type(None)]
        hint = parts[0] if len(parts) == 1 else hint
    schema = schema_of(hint, defs)
    name = schema.get("$ref", "").rpartition("/")[2]
    if name in defs and "properties" in defs[name]:
        return dict(defs[name])
    return None


def _finish(schema, defs):
    out = {"$schema": DIALECT}
    out.update(schema)
    if defs:
        out["$defs"] = defs
    return out
