"""Reading the socket, and running short functions right where they are read.

The reading thread runs plain functions itself: most return at once, and a
hand-over to another thread would cost more than they do. While a call runs
there, nobody reads; so a watchdog looks every few milliseconds and lets
another thread take over reading when the call has not come back. The call
goes on where it is, and its thread joins the pool afterwards. An entrypoint
whose call was taken over is not run so again for a while (calls.Entry.slow).
"""

import _thread
import os
import threading
import time

from . import wire

TICK = 0.003
# So many ticks without work, and the watchdog blocks until it is nudged.
_QUIET = 8


class Reader:
    """Hands frames to handlers and calls to their entrypoints."""

    def __init__(self, sock, writer, pool):
        self._frames = wire.frames(sock, writer.flush)
        self._writer = writer
        self._pool = pool
        self.on_quiet = _nothing  # called by the watchdog before it blocks
        self._begin = self._serve = self._handlers = None
        # Holds the call that the reading thread is running. Who pops it, the
        # thread at the end of the call or the watchdog before, goes on reading.
        self._inline = []
        self._wake = threading.Lock()
        self._wake.acquire()
        self._dozing = False

    def frame(self):
        """Return the next frame (type, call, payload), None at the end. For the start only."""
        return next(self._frames, None)

    def start(self, begin, serve, handlers):
        """Start reading.

        begin(number, payload) returns the call to serve inline, or None if it
        was passed on; serve(call, worker) serves it, and never raises;
        handlers maps the other frames' types to f(call number, payload).
        """
        self._begin, self._serve, self._handlers = begin, serve, handlers
        self._pool.submit_now(self._lead)
        # Not a threading.Thread, whose bookkeeping costs each instance memory: no user code runs on it.
        _thread.start_new_thread(self._watch, ())

    def nudge(self):
        """Have the watchdog flush what is pending within a tick or two."""
        if self._dozing:
            self._dozing = False
            try:
                self._wake.release()
            except RuntimeError:
                pass  # somebody else has just done so

    def step_down(self, call):
        """Let another thread read, if the one running call is the reader: it is about to wait."""
        if call in self._inline:
            self._hand_over()

    def _lead(self, worker):
        """Read until another thread has taken over."""
        inline, handlers, begin, serve = self._inline, self._handlers, self._begin, self._serve
        hold, kind_call = inline.append, wire.CALL
        self._writer.flush()
        for kind, number, payload in self._frames:
            if kind != kind_call:
                handler = handlers.get(kind)
                if handler is not None:
                    handler(number, payload)
                continue
            call = begin(number, payload)
            if call is None:
                continue
            hold(call)
            if self._dozing:
                self.nudge()
            serve(call, worker)
            try:
                inline.pop()
            except IndexError:
                self._writer.flush()
                return
        os._exit(0)  # Go has closed the connection, or is gone

    def _hand_over(self):
        """Start another reader unless the inline call has ended; return that call."""
        try:
            call = self._inline.pop()
        except IndexError:
            return None
        self._pool.submit_now(self._lead)
        return call

    def _watch(self):
        while True:
            self._dozing = True
            # A call that began before the line above has not nudged us.
            if not self._inline and not self._writer.pending:
                self.on_quiet()
            if not self._inline and not self._writer.pending:
                self._wake.acquire()
            self._dozing = False
            self._watch_activity()

    def _watch_activity(self):
        """Tick until nothing has happened for a while."""
        inline, pending, quiet, seen, cpu, then = self._inline, self._writer.pending, 0, None, 0.0, 0.0
        while quiet < _QUIET:
            time.sleep(TICK)
            call = next(iter(inline), None)
            now = time.perf_counter()
            if call is None:
                quiet += 1
            elif call is not seen:
                quiet, cpu = 0, _cpu_time(call.worker)
            elif self._hand_over() is seen:
                _judge(call, now - then, _cpu_time(call.worker) - cpu)
            seen, then = call, now
            if pending:
                quiet = 0
                self._writer.flush()


def _judge(call, wall, cpu):
    """Count the call against its entrypoint, unless it was the machine that was slow."""
    late = wall > 4 * TICK
    if not (late and cpu < wall / 4):
        call.entry.mark_slow()


def _cpu_time(worker):
    """Return the CPU seconds that the worker's thread has used."""
    try:
        return time.clock_gettime(time.pthread_getcpuclockid(worker.ident))
    except (AttributeError, OSError, TypeError):
        return 0.0


def _nothing():
    pass
