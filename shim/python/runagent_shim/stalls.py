"""Tells of user code that holds up the event loop, which all async calls share."""

import asyncio
import linecache
import sys
import threading
import time

from . import workers

# How long the loop may take to give a sign, and how often it is looked for.
_ALLOWED_SECONDS = 0.1
_TICK_SECONDS = 0.025
_MOST = 100  # places told of: nobody reads more


class Stalls:
    """Watches the loop while calls run on it, from a thread of its own.

    It belongs to the loop's thread. report(text, task) gets one line for each
    place in the agent's code that held up the loop; task is the one it was in.
    """

    def __init__(self, loop, owns, report):
        """owns(path) says whether a file is the agent's own."""
        self._loop, self._owns, self._report = loop, owns, report
        self._main = threading.get_ident()
        self._clock = _clock_of(self._main)
        self._last = self._had = 0.0  # when the last step was, and how long the loop's thread had worked by then
        self._running = 0
        self._watching = False
        self._told = set()
        self._wake = threading.Event()
        workers.start_daemon(self._watch)

    def begin(self):
        """A call begins on the loop."""
        self._running += 1
        if not self._watching:
            self._watching = True
            self._wake.set()

    def end(self):
        """A call has ended."""
        self._running -= 1

    def _watch(self):
        while len(self._told) < _MOST:
            self._wake.wait()
            self._wake.clear()
            self._last, self._had = time.monotonic(), self._worked()
            while self._is_needed():
                self._look()

    def _is_needed(self):
        if self._running:
            return True
        self._watching = False
        if self._running:  # a call has begun in the meantime
            self._watching = True
        return self._watching

    def _look(self):
        """Ask the loop for a sign, and tell where it is while none comes."""
        signs = []
        self._loop.call_soon_threadsafe(signs.append, True)
        self._step()
        waited = 0.0
        while not signs or not waited:
            time.sleep(_TICK_SECONDS)
            step = self._step()
            # Where this thread is late too, processor or interpreter are busy elsewhere.
            waited = waited + step if step < _ALLOWED_SECONDS else _TICK_SECONDS
            if waited > _ALLOWED_SECONDS and not signs:
                self._tell()

    def _step(self):
        """Return how long ago the last step was, after a look at what kept this thread.

        It is asked for wherever this thread may have waited for the interpreter.
        If the loop's thread has worked all the while, it did not let go of it.
        """
        now, worked = time.monotonic(), self._worked()
        step, held = now - self._last, worked - self._had
        self._last, self._had = now, worked
        if step > _ALLOWED_SECONDS and held > _ALLOWED_SECONDS:
            self._tell("it keeps the interpreter from other threads, too: run it in another process")
        return step

    def _worked(self):
        """Return for how many seconds the loop's thread has had a processor, 0 where that is not known."""
        return 0.0 if self._clock is None else time.clock_gettime(self._clock)

    def _tell(self, instead="await it, or call it by asyncio.to_thread"):
        task = asyncio.current_task(self._loop)
        place = self._place()
        if task is None or place is None or place[:2] in self._told:
            return
        self._told.add(place[:2])
        text = "%s:%d, in %s, holds up the event loop for over %d ms and with it all other async calls: %s"
        file, line, name, source = place
        text %= (file, line, name, _ALLOWED_SECONDS * 1000, source)
        self._report("%s  (%s)" % (text, instead), task)

    def _place(self):
        """Return (file, line, function, source) of the agent's innermost frame on the loop's thread."""
        frame = sys._current_frames().get(self._main)
        while frame is not None:
            file, line = frame.f_code.co_filename, frame.f_lineno
            if self._owns(file):
                source = linecache.getline(file, line, frame.f_globals).strip()
                return file, line, frame.f_code.co_name, source
            frame = frame.f_back
        return None


def _clock_of(ident):
    """Return the clock of a thread's time on processors, None on systems that have none."""
    find = getattr(time, "pthread_getcpuclockid", None)
    return None if find is None else find(ident)
