"""The answers to calls: every call gets exactly one RESULT or ERROR."""

import json
import struct
from sys import modules as _modules
from time import perf_counter_ns

from . import faults, usage, wire
from .calls import DEADLINE

_RESULT = struct.Struct(">IBBHIIII")
_pack = _RESULT.pack
_HEAD = struct.Struct(">III").pack
_MOST = 0xFFFFFFFF
# A longer result is not copied behind its head.
_SHORT = 64 << 10


class TooLarge(Exception):
    """A result, or an item of a stream, over the limit."""


class Answers:
    """Writes results and errors, and knows which calls are still without one."""

    def __init__(self, writer, result_bytes):
        self.active = {}  # number -> Call
        self.idle = None  # called when the last call in flight has been answered
        self.before_end = None  # called with a call about to be answered, while
        self.partial_lines = {}  # this holds lines that some call has begun
        self._writer = writer
        self._put = writer.put
        self.limit = result_bytes  # of one result
        self.loaded = 0  # modules that there are
        self.on_load = None  # called when a call has loaded others

    def result(self, call, body):
        """Answer call with body, JSON."""
        if self.active.pop(call.number, None) is None:
            return
        now, began = perf_counter_ns(), call.began or perf_counter_ns()
        if self.partial_lines:
            self.before_end(call)
        call.done = True
        waited, ran = (began - call.arrived) // 1000, (now - began) // 1000
        size = len(body) + 12
        if waited > _MOST or ran > _MOST or size > _SHORT or call.usage is not None:
            meta = b"" if call.usage is None else usage.metadata(call.usage)
            head = _HEAD(min(waited, _MOST), min(ran, _MOST), len(meta))
            self._writer.last(wire.RESULT, call.number, head + meta, body)
        else:
            self._put(_pack(size, 21, 0, 0, call.number, waited, ran, 0) + body)
        if len(_modules) != self.loaded:
            self._note_load()
        if self.idle is not None and not self.active:
            self.idle()

    def check(self, body):
        """Raise TooLarge if body is over the limit."""
        if len(body) > self.limit:
            raise TooLarge(
                "the result is %d bytes of JSON, more than the limit of %d bytes" % (len(body), self.limit)
            )

    def raised(self, call, error):
        """Answer call with the exception that user code raised."""
        if call.cancel:
            self.canceled(call)
        else:
            self.error(call, "EXECUTION_ERROR", **faults.describe(error))

    def failed(self, call, kind, message):
        """Answer call with a failure that has no traceback."""
        self.error(call, "EXECUTION_ERROR", type=kind, message=message)

    def unbound(self, call, error):
        """Answer call with the BindError or DecodeError that its input caused."""
        field = getattr(error, "field", None) or ""
        self.error(call, "VALIDATION_ERROR", type=type(error).__name__, message=str(error), field=field)

    def canceled(self, call):
        """Answer a call that was canceled, or whose time was up."""
        if call.cancel == DEADLINE:
            self.error(call, "TIMEOUT_ERROR", message="the deadline passed")
        else:
            self.error(call, "CANCELED", message="the call was canceled")

    def error(self, call, code, **fields):
        """Answer call with an error."""
        if self.active.pop(call.number, None) is None:
            return
        if self.partial_lines:
            self.before_end(call)
        call.done = True
        fields["code"] = code
        if call.usage is not None:
            fields["usage"] = usage.summary(call.usage)
        self._writer.frame(wire.ERROR, call.number, json.dumps(fields).encode())
        if len(_modules) != self.loaded:
            self._note_load()
        if self.idle is not None and not self.active:
            self.idle()

    def _note_load(self):
        self.loaded = len(_modules)
        if self.on_load is not None:
            self.on_load()
