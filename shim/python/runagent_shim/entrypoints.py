"""From a manifest's module path to a function, and what kind of function it is."""

import functools
import inspect

from . import adapters

_COROUTINE, _GENERATORS = 0x80, 0x20 | 0x200

# What each type may be given as, by what the function tells of itself.
_FITS = {
    "generic": ("",),
    "generic_stream": ("", "generic_stream", "async"),
    "async": ("", "async"),
    "batch": ("", "async"),
}


class LoadError(Exception):
    """The manifest names what the code does not have. file and line say where to look."""

    def __init__(self, message, file="", line=0):
        super().__init__(message)
        self.file, self.line = file, line


def named(module, path, file, made):
    """Return what path, such as app.invoke, names in module, which is of file.

    Classes on the way are instantiated once; made, a dict, keeps them.
    """
    found, names = module, path.split(".")
    for at, name in enumerate(names):
        if isinstance(found, type) and not _bound_to_class(found, name):
            if found not in made:
                _check_makable(found, ".".join(names[:at]), module, file)
                made[found] = found()
            found = made[found]
        try:
            found = getattr(found, name)
        except AttributeError:
            where = ".".join(names[:at])
            message = "%s has no %r%s" % (where or file, name, _what_there_is(found))
            raise LoadError(message, getattr(module, "__file__", file)) from None
    return found


def _check_makable(kind, path, module, file):
    """Raise LoadError if a class can't be made without arguments."""
    try:
        inspect.signature(kind).bind()
    except TypeError as error:
        words = "%s in %s is a class that is not made without arguments: %s; make one at the top level, and name its method"
        raise LoadError(words % (path, file, error), getattr(module, "__file__", file)) from None
    except ValueError:
        pass  # its signature is not known


def resolve(module, path, file, made, wanted):
    """Return the adapters.Adapted of what path names in module (see named).

    wanted, an adapters.Wanted, says how it is to be served.
    """
    found = named(module, path, file, made)
    adapted = adapters.adapt(found, wanted)
    if adapted is not None:
        return adapted
    if not callable(found):
        message = "%s in %s is not a function but %s; name %s" % (path, file, _a(found), _what_to_name())
        raise LoadError(message + adapters.outdated(found), module.__file__)
    return adapters.Adapted(found)


def kind(fn, given, tag, file, chosen=False):
    """Return the type of the entrypoint: the one given, else what the function tells.

    chosen: an adapter chose fn to serve the given type, so that they fit.
    """
    tells = _tells(fn)
    if not given:
        return tells or "generic"
    if given not in _FITS:
        raise LoadError("the entrypoint %r has the unknown type %r" % (tag, given), file)
    if chosen or tells in _FITS[given] or (tells == "generic_stream" and given == "generic" and tag.endswith("_stream")):
        return given
    what = "a coroutine function" if tells == "async" else "a generator function"
    raise LoadError(
        "the entrypoint %r has the type %r, but its function is %s: write %r or leave the type out"
        % (tag, given, what, tells),
        file,
        getattr(_code(fn), "co_firstlineno", 0),
    )


def streams(tag, type_):
    """Say whether an entrypoint streams, by its tag and its type."""
    return type_ != "batch" and (type_ == "generic_stream" or tag.endswith("_stream"))


def returns_async(fn):
    """Say whether calling fn only makes a coroutine or an async generator."""
    return bool(getattr(_code(fn), "co_flags", 0) & (_COROUTINE | 0x200))


def _tells(fn):
    flags = getattr(_code(fn), "co_flags", 0)
    if flags & _COROUTINE:
        return "async"
    return "generic_stream" if flags & _GENERATORS else ""


def _code(fn):
    while isinstance(fn, functools.partial):
        fn = fn.func
    fn = getattr(fn, "__func__", fn)
    code = getattr(fn, "__code__", None)
    if code is None and not isinstance(fn, type):
        code = getattr(getattr(type(fn), "__call__", None), "__code__", None)
    return code


def _bound_to_class(kind_, name):
    return isinstance(inspect.getattr_static(kind_, name, None), (staticmethod, classmethod))


def _a(value):
    return "a value of type %s" % type(value).__name__


def _what_to_name():
    """Return words for what the module of an entrypoint may be."""
    return ", or ".join(["a function", "a bound method such as agent.run"] + adapters.names())


def _what_there_is(holder):
    """Return "; it has a, b" with the callables that a user may have meant."""
    names = [n for n in vars(holder) if not n.startswith("_")] if hasattr(holder, "__dict__") else []
    names = [n for n in names if callable(getattr(holder, n, None))][:20]
    return "; it has " + ", ".join(sorted(names)) if names else ""
