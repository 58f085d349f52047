"""The event loop, on the main thread, for everything asynchronous.

asyncio is imported when something asynchronous is served: it costs a process
as much memory as all of the shim.
"""

import heapq
import itertools
import os
import select
import signal
import sys
import threading
import traceback
from collections import deque
from time import monotonic, perf_counter_ns

from . import children, wire
from .adapters import items
from .answers import TooLarge
from .bind import BindError
from .calls import CURRENT
from .encode import EncodeError, encode
from .streams import collected

# So many answers are sent at once; the next are being made while these are on their way.
_AT_ONCE = 32

# Stands for "call the function"; any other value is what a function returned.
_CALL = object()


class Loop:
    """Serves coroutines, awaitables and async generators.

    The loop itself is made when it is first needed. Until then the main thread
    takes by itself what is to be done there.
    """

    def __init__(self, codec, writer, answers, streams):
        self._codec = codec
        self._writer = writer
        self._answers = answers
        self._streams = streams
        self.watch = _Unwatched  # watch(loop) returns the stalls.Stalls of it
        self._stalls = None
        self.on_thread = None  # on_thread(call, value) sends the items of a plain iterator
        self._inbox = deque()
        self._taking = self._flushing = False
        self._unsent = 0
        self.loop = None
        self._early = deque()
        self._timers = []  # a heap of (time, order, fn, args) until there is a loop
        self._order = itertools.count()
        self._waking = False
        # A pipe, because a signal that another thread took must wake the main one too.
        self._wakes, self._woken = map(wire.high, os.pipe())
        os.set_blocking(self._wakes, False)
        os.set_blocking(self._woken, False)
        # soon(f, *args) calls f on the main thread. Safe for all threads.
        self.soon = self._soon_early

    def run(self):
        """Run for ever. Called on the main thread."""
        while True:
            try:
                if self.loop is None:
                    self._run_early()
                else:
                    self.loop.run_forever()
            except BaseException:
                # sys.exit() in a task or a signal handler of the user's: the instance lives.
                traceback.print_exc(file=sys.stderr)

    def _run_early(self):
        """Do what comes until something needs the loop."""
        signal.set_wakeup_fd(self._woken, warn_on_full_buffer=False)
        readable = select.poll()
        readable.register(self._wakes, select.POLLIN)
        while self.loop is None:
            wait = max(0, self._timers[0][0] - monotonic()) * 1000 if self._timers else None
            if readable.poll(wait):
                os.read(self._wakes, 4096)
            self._waking = False
            self._take_early()
            while self.loop is None and self._timers and self._timers[0][0] <= monotonic():
                _, _, fn, args = heapq.heappop(self._timers)
                fn(*args)

    def started(self):
        """Return the loop, made now if need be. Called on the main thread."""
        return self.loop or self._start()

    def _start(self):
        self.loop = loop = _make()
        self.soon = loop.call_soon_threadsafe
        loop.call_soon(self._take_early)
        for at, _, fn, args in self._timers:
            loop.call_later(at - monotonic(), fn, *args)
        self._timers.clear()
        signal.set_wakeup_fd(loop._csock.fileno(), warn_on_full_buffer=False)
        return loop

    def stalls(self):
        """Return what watches the loop, made now if need be. Called on the main thread."""
        if self._stalls is None:
            self._stalls = self.watch(self.loop)
        return self._stalls

    def submit(self, call):
        """Serve call on the loop. Safe for all threads, like finish."""
        self.hand(self._create, call, _CALL)

    def finish(self, call, value):
        """Serve the rest of a call whose function returned an awaitable or async iterator."""
        self.hand(self._create, call, value)

    def hand(self, fn, *args):
        """Have fn(*args) called on the main thread; many are handed over at once."""
        self._inbox.append((fn, args))
        if not self._taking:
            self._taking = True
            self.soon(self._take)

    def cancel(self, call):
        """Cancel the call's task if it has one. Safe for all threads."""
        if self.loop is not None or self._early:
            self.soon(self._cancel, call)

    def later(self, seconds, fn, *args):
        """Have fn(*args) called on the main thread after some time. Safe for all threads."""
        self.soon(self._later, seconds, fn, args)

    def _later(self, seconds, fn, args):
        if self.loop is not None:
            self.loop.call_later(seconds, fn, *args)
        else:
            heapq.heappush(self._timers, (monotonic() + seconds, next(self._order), fn, args))

    def _soon_early(self, fn, *args):
        self._early.append((fn, args))
        if self.loop is not None:  # it has been made in the meantime
            self.loop.call_soon_threadsafe(self._take_early)
            return
        if not self._waking:
            self._waking = True
            try:
                os.write(self._woken, b"\0")
            except BlockingIOError:
                pass  # it is full of what wakes as well

    def _take_early(self):
        while self._early:
            fn, args = self._early.popleft()
            fn(*args)

    def flush_soon(self):
        """Send what is pending once what is ready to run has run, or much is pending."""
        self._unsent += 1
        if self._unsent >= _AT_ONCE:
            self._unsent = 0
            self._writer.flush()
        elif not self._flushing:
            self._flushing = True
            self.started().call_soon(self._flush)

    def _flush(self):
        self._flushing = False
        self._unsent = 0
        self._writer.flush()

    def _cancel(self, call):
        if call.task is not None and not call.done:
            call.task.cancel()

    def _take(self):
        self._taking = False
        inbox = self._inbox
        while inbox:
            fn, args = inbox.popleft()
            fn(*args)

    def _create(self, call, value):
        self.started().create_task(self._serve(call, value))

    async def _serve(self, call, value):
        import asyncio

        # Not before: a task that is canceled before its first step answers nothing.
        call.task = asyncio.current_task()
        CURRENT.set(call)
        answers = self._answers
        stalls = self._stalls or self.stalls()
        stalls.begin()
        try:
            await self._finish(call, value)
        except BindError as error:
            answers.unbound(call, error)
        except (EncodeError, TooLarge) as error:
            answers.failed(call, type(error).__name__, str(error))
        except BaseException as error:
            if children.forked:
                children.leave()
            answers.raised(call, error)
        stalls.end()
        self.flush_soon()

    async def _finish(self, call, value):
        entry = call.entry
        if not call.began:
            call.began = perf_counter_ns()
        if call.cancel:
            _discard(value)
            raise _canceled()
        if value is _CALL:
            args, kwargs = entry.bind(*call.inputs(self._codec.loads))
            value = entry.fn(*args, **kwargs)
        if entry.streams:
            value = items(value)
        if hasattr(value, "__await__"):
            value = await value
            if entry.streams:
                value = items(value)
        if not entry.streams and hasattr(value, "__anext__"):
            value = await collected(value)
        if children.forked:
            children.leave()
        if not entry.streams:
            body = encode(value, self._codec)
            self._answers.check(body)
            self._answers.result(call, body)
        elif hasattr(value, "__aiter__"):
            await self._streams.pump_async(call, value, self)
        else:
            self.on_thread(call, value)


class _Unwatched:
    """In the place of stalls.Stalls where nobody is told."""

    def __init__(self, loop):
        pass

    def begin(self):
        """A call begins on the loop."""

    def end(self):
        """A call has ended."""


def _make():
    """Return the event loop: the one that an import has left on this thread, if any."""
    import asyncio

    try:
        loop = asyncio.get_event_loop()
    except Exception:  # there is none; how that is told differs between versions
        loop = None
    if loop is None or loop.is_closed():
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
    return loop


def _canceled():
    import asyncio

    return asyncio.CancelledError()


def _discard(value):
    """Close a coroutine that will never be awaited."""
    close = getattr(value, "close", None)
    if close is not None:
        close()
