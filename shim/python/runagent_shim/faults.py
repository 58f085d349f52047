"""Exceptions as users should see them: their own frames, none of ours."""

import importlib
import os
import traceback

from . import missing
from .entrypoints import LoadError

_HOME = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_OURS = (_HOME + os.sep, "<frozen importlib", importlib.__file__)
_MAX_TEXT = 32768


def describe(error):
    """Return {"type", "message", "traceback"} of an exception; a LoadError of ours has no frames to show."""
    traced = "" if isinstance(error, LoadError) else text(error)
    return {"type": type_name(error), "message": message(error), "traceback": traced}


def type_name(error):
    """Return the exception's type, with its module unless that is builtins."""
    kind = type(error)
    if kind.__module__ in ("builtins", "__main__") or kind.__module__.startswith("runagent_shim."):
        return kind.__qualname__
    return "%s.%s" % (kind.__module__, kind.__qualname__)


def message(error):
    """Return str(error), also where that raises; of a missing module also what to require."""
    try:
        return _cut(str(error) + missing.hint(error))
    except Exception:
        return "<%s whose str() failed>" % type(error).__name__


def text(error):
    """Return the traceback without the shim's frames, cut if it is very long."""
    try:
        report = traceback.TracebackException(type(error), error, error.__traceback__)
        _strip(report, set())
        return _cut("".join(report.format()))
    except Exception as broken:  # a __str__ or a source file that misbehaves
        return "%s: %s\n(no traceback: %r)" % (type_name(error), message(error), type(broken))


def place(error, owns):
    """Return (file, line) where the agent's code failed, ("", 0) if unknown.

    owns(path) says whether a file is the agent's own.
    """
    if isinstance(error, LoadError):
        return error.file, error.line
    if isinstance(error, SyntaxError) and error.filename:
        return error.filename, error.lineno or 0
    found, step = ("", 0), error.__traceback__
    while step is not None:
        name = step.tb_frame.f_code.co_filename
        if owns(name) or not (found[0] or name.startswith(_OURS)):
            found = name, step.tb_lineno
        step = step.tb_next
    return found


def _strip(report, seen):
    if report is None or id(report) in seen:
        return
    seen.add(id(report))
    report.stack[:] = [f for f in report.stack if not f.filename.startswith(_OURS)]
    _strip(report.__cause__, seen)
    _strip(report.__context__, seen)
    for one in getattr(report, "exceptions", None) or ():
        _strip(one, seen)


def _cut(text):
    # A lone surrogate would not survive as UTF-8.
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    if len(text) <= _MAX_TEXT:
        return text
    half = _MAX_TEXT // 2
    return "%s\n… %d characters left out …\n%s" % (text[:half], len(text) - 2 * half, text[-half:])
