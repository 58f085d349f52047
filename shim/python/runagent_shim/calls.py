"""One call, from its CALL frame to its answer, and the entrypoints called."""

import struct
from time import perf_counter_ns

from runagent_context import _call as CURRENT  # noqa: F401 - the variable that says which call runs

from . import entrypoints

_HEAD = struct.Struct(">HHIIIII")
_HEAD_SIZE = _HEAD.size
# A flag of CALL: any JSON library reads the arguments alike.
_TAME = 1

# Why a call is to end, as CANCEL says it.
CANCELED, DEADLINE, ENDING = 1, 2, 3


class Call:
    """A call in flight."""

    __slots__ = (
        "number",
        "index",
        "entry",
        "payload",
        "arrived",
        "began",
        "cancel",
        "worker",
        "task",
        "items",
        "bytes",
        "used_items",
        "used_bytes",
        "wake",
        "batch",
        "done",
        "usage",
        "connections",
        "_flags",
        "_limit",
        "_meta",
        "_args",
    )

    def __init__(self, number, payload):
        self.number = number
        self.payload = payload
        self.arrived = perf_counter_ns()
        self.index, self._flags, self._limit, self.items, self.bytes, meta, args = _HEAD.unpack_from(payload)
        self._meta = _HEAD_SIZE + meta
        self._args = self._meta + args
        self.began = self.cancel = self.used_items = self.used_bytes = 0
        self.worker = self.task = self.wake = self.entry = self.usage = self.connections = self.batch = None
        self.done = False

    def inputs(self, loads):
        """Return the positional arguments and the keywords, None where absent."""
        payload, start, middle, tame = self.payload, self._meta, self._args, self._flags & _TAME
        args = loads(payload[start:middle], tame) if middle > start else None
        return args, loads(payload[middle:], tame) if len(payload) > middle else None

    def metadata(self):
        """Return the JSON object of metadata, b"" when there is none."""
        return bytes(self.payload[_HEAD_SIZE : self._meta])

    def remaining(self):
        """Return the seconds until the deadline, None when there is none."""
        if not self._limit:
            return None
        return max(0.0, self._limit / 1e3 - (perf_counter_ns() - self.arrived) / 1e9)


# An entrypoint that was slow once runs on the pool for at least so many calls, twice
# as many if that was not long ago, and for so many more after each slow one there: where
# one in fifty waits, it stays, also if many wait at once and are heard of only at their end.
_SLOW, _AGAIN, _SLOWEST = 8, 64, 512
_LONG_AGO_NS = 10_000_000_000
# A call on the pool that takes less than this would have done as well inline.
_SHORT_NS = 500_000


class Entry:
    """An entrypoint of the agent, resolved to a function."""

    __slots__ = ("tag", "file", "module", "kind", "fn", "bind", "streams", "submit", "batcher", "inline", "_make", "_binder", "_slow", "_marked", "_span")

    def __init__(self, tag, file, module, kind, fn, make_binder):
        """make_binder() is called at the first call: an idle instance is spared the memory."""
        self.tag, self.file, self.module, self.kind = tag, file, module, kind
        self.fn, self._make, self._binder = fn, make_binder, None
        self.bind = self._bind_first
        self.streams = entrypoints.streams(tag, kind)
        self.submit = None  # serves a call elsewhere than on the reading thread
        self.batcher = None  # gathers the calls of a batch entrypoint
        self.inline = False  # whether the reading thread serves it
        self._slow = 0  # calls that the pool still serves; less is none
        self._marked, self._span = -_LONG_AGO_NS, 0  # when mark_slow was called last, and what it set

    @property
    def binder(self):
        """The entrypoint's Binder."""
        if self._binder is None:
            self._binder = self._make()
            self.bind = self._binder.bind
        return self._binder

    def _bind_first(self, args, kwargs):
        return self.binder.bind(args, kwargs)

    def mark_slow(self):
        """Have the next calls served on the pool: one has held up the reading thread."""
        now = perf_counter_ns()
        again = now - self._marked < _LONG_AGO_NS
        self._marked, self._span = now, min(2 * self._span, _SLOWEST) if again else _SLOW
        self.inline = False  # first: calls that end meanwhile may set it again
        self._slow = max(self._slow, self._span)

    def took(self, wall, busy):
        """Learn how long a call on the pool took, in all and on the processor, in nanoseconds."""
        if self._slow <= 0:
            return
        # Where the processor was busy with others, wall time says nothing.
        if wall < _SHORT_NS:
            self._slow -= 1  # below 0 where calls end at once, on threads that are not in turn
            self.inline = self._slow <= 0
        elif busy > _SHORT_NS or wall > 4 * _SHORT_NS:
            self._slow = min(self._slow + _AGAIN, _SLOWEST)
