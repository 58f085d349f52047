"""Results as JSON.

Plain data goes straight to the codec. What the codec refuses is walked once
and made plain, or refused in words that name the type and the place. Nothing
is ever turned into text by ``str`` just because nothing else fits.
`docs/values.md` holds the table of what becomes what.
"""

from . import plain
from .codec import TOO_DEEP

EncodeError = plain.EncodeError

# A codec takes nothing else as a whole: to be refused by it is work, too.
_JSON = frozenset((dict, list, tuple, str, int, float, bool, type(None)))


def encode(value, codec):
    """Return value as JSON bytes, raising EncodeError."""
    if type(value) in _JSON:
        try:
            return codec.dumps(value)
        except (TypeError, ValueError, OverflowError, RecursionError):
            pass
    try:
        data = plain.make_plain(value)
    except RecursionError:
        raise EncodeError("result: " + TOO_DEEP) from None
    try:
        return codec.dumps(data)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise EncodeError("result: %s" % error) from error
