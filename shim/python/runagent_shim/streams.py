"""Items of a streaming entrypoint, sent one by one while the caller has credit."""

import threading
from time import perf_counter_ns

from . import children, connections, wire
from .answers import TooLarge
from .calls import CURRENT
from .encode import EncodeError, encode
from .workers import execute

_END = object()
# A chunk is sent at once unless one was within this time; the watchdog sends it then.
_GATHER_NS = 1_000_000


def items_of(value):
    """Return an iterator over the items that value stands for."""
    if isinstance(value, list) or hasattr(value, "__next__"):
        return iter(value)
    return iter((value,))


class Streams:
    """Pulls items from generators and keeps to each call's credit."""

    def __init__(self, codec, writer, answers, reader):
        self._codec = codec
        self._writer = writer
        self._answers = answers
        self._reader = reader

    def pump(self, call, worker, run, value):
        """Send value's items on the calling thread, run in the context of run, and answer."""
        source = _Source(value, call, self._codec, self._answers, self._writer)
        try:
            self._pump(call, worker, run, source)
        except (EncodeError, TooLarge) as error:
            self._close(call, worker, run, source)
            self._answers.failed(call, type(error).__name__, str(error))
        except BaseException as error:
            self._close(call, worker, run, source)
            self._answers.raised(call, error)

    def _pump(self, call, worker, run, source):
        answers, writer, flushed = self._answers, self._writer, 0
        while True:
            if not _has_credit(call):
                self._wait(call)
            if call.cancel:
                self._close(call, worker, run, source)
                answers.canceled(call)
                return
            # The watchdog is awake from here on, and sends what pull leaves behind.
            self._reader.nudge()
            rest = execute(worker, call, run, source.pull, flushed)
            if rest is _END:
                answers.result(call, b"")
                return
            if rest is not None:
                writer.frame(wire.CHUNK, call.number, rest)
            writer.flush()
            flushed = perf_counter_ns()

    def _wait(self, call):
        """Block until the call has credit or is canceled."""
        self._reader.step_down(call)
        self._writer.flush()
        gate = threading.Lock()
        gate.acquire()
        call.wake = gate.release
        while not (_has_credit(call) or call.cancel):
            gate.acquire()
        call.wake = None

    def _close(self, call, worker, run, source):
        try:
            execute(worker, call, run, source.close)
        except BaseException:
            pass  # the call's own end is already known
        connections.cut(call)  # what a stream left open waits for no garbage collector

    async def pump_async(self, call, value, loop):
        """Send the items of an async iterator and answer; exceptions are the caller's to handle."""
        import asyncio

        source = value.__aiter__()
        last = perf_counter_ns()
        try:
            while True:
                if not _has_credit(call):
                    await self._wait_async(call, loop)
                if call.cancel:
                    raise asyncio.CancelledError
                try:
                    item = await source.__anext__()
                except StopAsyncIteration:
                    break
                body = encode(item, self._codec)
                self._answers.check(body)
                call.used_items += 1
                call.used_bytes += len(body)
                self._writer.frame(wire.CHUNK, call.number, body)
                loop.flush_soon()
                now = perf_counter_ns()
                if now - last > _GATHER_NS:
                    # A generator that never waits must not hold up the loop.
                    await asyncio.sleep(0)
                    last = perf_counter_ns()
        finally:
            close = getattr(source, "aclose", None)
            if close is not None:
                await close()
        self._answers.result(call, b"")

    async def _wait_async(self, call, loop):
        import asyncio

        event = asyncio.Event()
        call.wake = lambda: loop.soon(event.set)
        while not (_has_credit(call) or call.cancel):
            loop.flush_soon()
            await event.wait()
            event.clear()
        call.wake = None


class _Source:
    """The items of one synchronous stream, as JSON."""

    def __init__(self, value, call, codec, answers, writer):
        self._value = value
        self._items = None
        self._call = call
        self._codec = codec
        self._check = answers.check
        self._put = writer.put

    def pull(self, flushed):
        """Put items' chunks while they come fast, the call has credit and nobody cancels.

        flushed is when chunks were sent last. Returns _END at the end, else the
        JSON of an item that is too long to put here, or None: send what was put.
        A cancel may strike anywhere in here, so nothing here may block or send.
        """
        call, codec, check, put = self._call, self._codec, self._check, self._put
        if self._items is None:
            CURRENT.set(call)
            self._items = items_of(self._value)
        for item in self._items:
            body = encode(item, codec)
            check(body)
            size = len(body)
            call.used_items += 1
            call.used_bytes += size
            if size > wire.COPY:
                return body
            put(wire.HEAD.pack(size, wire.CHUNK, 0, 0, call.number) + body)
            if (
                perf_counter_ns() - flushed > _GATHER_NS
                or call.used_items >= call.items
                or call.used_bytes >= call.bytes
                or call.cancel
                or children.forked
            ):
                return None
        return _END

    def close(self):
        """Close the generator, which may be one that was never begun."""
        close = getattr(self._value, "close", None)
        if close is not None and hasattr(self._value, "__next__"):
            close()


def _has_credit(call):
    return call.items > call.used_items and call.bytes > call.used_bytes


def credit(call, items, size):
    """Add to the call's credit. Only the reading thread calls this."""
    call.items += items
    call.bytes += size
    wake(call)


def wake(call):
    """Let the call's stream look at its credit, or at its cancel, if it waits."""
    release = call.wake
    if release is not None:
        try:
            release()
        except RuntimeError:
            pass  # released twice before it looked
