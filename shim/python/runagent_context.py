"""What user code may ask about the call it runs in.

    import runagent_context
    call = runagent_context.current()   # None outside a call
"""

import json
import time
from contextvars import ContextVar

# The shim's own record of the call. Threads and executors hand it on.
_call = ContextVar("runagent_call", default=None)


class Current:
    """The call that the running code belongs to. Read-only."""

    __slots__ = ("_call", "_given")

    def __init__(self, call):
        self._call = call
        self._given = None

    def _get(self, name):
        if self._given is None:
            text = self._call.metadata()
            self._given = json.loads(text) if text else {}
        return self._given.get(name)

    @property
    def invocation_id(self):
        """The invocation's ID."""
        return self._get("invocation_id")

    @property
    def attempt(self):
        """Which attempt this is, from 1."""
        return self._get("attempt") or 1

    @property
    def session_id(self):
        """The caller's session, or None."""
        return self._get("session_id") or None

    @property
    def traceparent(self):
        """The caller's W3C trace context, or None."""
        return self._get("traceparent") or None

    @property
    def metadata(self):
        """The caller's metadata, a dict."""
        return self._get("metadata") or {}

    @property
    def deadline(self):
        """When the call's time is up, on the clock of time.monotonic(), or None."""
        left = self.remaining()
        return None if left is None else time.monotonic() + left

    def remaining(self):
        """Seconds until the deadline, not below 0; None when there is none."""
        return self._call.remaining()


def current():
    """Return the call that the calling code belongs to, or None."""
    call = _call.get()
    return None if call is None else Current(call)
