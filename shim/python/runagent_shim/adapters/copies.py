"""What calls of their own need, made in less time than the standard library takes."""

import copy
import copyreg
import functools
import os

# By these a class may have a say in how its objects are copied.
_WORDS = ("__copy__", "__reduce__", "__reduce_ex__", "__getstate__", "__setstate__", "__getnewargs__", "__getnewargs_ex__", "__new__")


def shallow(value):
    """Return what copy.copy does, without its detour by pickle's protocol where there is nothing to ask."""
    kind = type(value)
    if not _is_usual(kind):
        return copy.copy(value)
    mine = object.__new__(kind)
    mine.__dict__.update(value.__dict__)
    return mine


@functools.lru_cache(maxsize=100)
def _is_usual(kind):
    """Say whether all that an object of a class holds is in its __dict__, and its class says nothing of copies."""
    if kind in copyreg.dispatch_table or any(vars(one).get("__slots__") for one in kind.__mro__):
        return False
    return kind.__dictoffset__ != 0 and all(getattr(kind, word, None) is getattr(object, word, None) for word in _WORDS)


def new_id():
    """Return a random UUID as text."""
    found = os.urandom(16).hex()
    return "%s-%s-4%s-%s%s-%s" % (found[:8], found[8:12], found[13:16], "89ab"[ord(found[16]) & 3], found[17:20], found[20:])
