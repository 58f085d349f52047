"""Asks pydantic about annotations that are pydantic's own.

pydantic is never imported here: who annotates with its types has loaded it.
It validates in its strict JSON mode, so that it and our own checker agree: a
string is no number, but a string is a date where a date is asked for.
"""

import json
import sys
import typing

from . import hints


def has_rules(extras):
    """Say whether Annotated's extras hold rules that pydantic knows."""
    if "pydantic" not in sys.modules:
        return False
    return any(
        (type(extra).__module__ or "").partition(".")[0] in ("pydantic", "annotated_types")
        for extra in extras
    )


def compile_check(hint, extras):
    """Return a check by pydantic, or None where pydantic can't."""
    if hints.is_model(hint) and not hasattr(hint, "model_validate"):
        return _model_v1(hint)
    pydantic = sys.modules.get("pydantic")
    if pydantic is None or not hasattr(pydantic, "TypeAdapter"):
        return None
    return _adapter(pydantic, _annotated(hint, extras))


def schema(hint, extras, defs):
    """Return pydantic's schema of a type, its definitions moved into defs, or None."""
    pydantic = sys.modules.get("pydantic")
    try:
        if hints.is_model(hint) and not hasattr(hint, "model_json_schema"):
            found = hint.schema(ref_template="#/$defs/{model}")
        elif pydantic is None or not hasattr(pydantic, "TypeAdapter"):
            return None
        else:
            found = pydantic.TypeAdapter(_annotated(hint, extras)).json_schema()
    except Exception:  # a type that pydantic can't describe
        return None
    defs.update(found.pop("$defs", None) or found.pop("definitions", None) or {})
    if hints.is_model(hint) and "$ref" not in found:
        defs[hint.__name__] = found
        return {"$ref": "#/$defs/" + hint.__name__}
    return found


def _annotated(hint, extras):
    if not extras:
        return hint
    return typing.Annotated[(hint,) + tuple(extras)]


def _adapter(pydantic, hint):
    from .validate import Mismatch, escape

    adapters = []

    def check(value, pointer):
        if not adapters:  # built at the first call: it can take milliseconds
            try:
                adapters.append(pydantic.TypeAdapter(hint))
            except Exception:  # a type that pydantic can't describe is not checked
                adapters.append(None)
        adapter = adapters[0]
        if adapter is None:
            return value
        try:
            return adapter.validate_json(json.dumps(value), strict=True)
        except pydantic.ValidationError as error:
            first = error.errors(include_url=False)[0]
            at = pointer + "".join("/" + escape(step) for step in first["loc"])
            raise Mismatch(at, _sentence(first["msg"], error.error_count())) from error

    return check


def _model_v1(model):
    from .validate import Mismatch, escape

    def check(value, pointer):
        try:
            return model.parse_obj(value)
        except ValueError as error:
            if not callable(getattr(error, "errors", None)):
                raise Mismatch(pointer, str(error)) from error
            found = error.errors()
            loc = [step for step in found[0]["loc"] if step != "__root__"]
            at = pointer + "".join("/" + escape(step) for step in loc)
            raise Mismatch(at, _sentence(found[0]["msg"], len(found))) from error

    return check


def _sentence(message, count):
    message = message[:1].lower() + message[1:]
    return message + (" (and %d more)" % (count - 1) if count > 1 else "")
