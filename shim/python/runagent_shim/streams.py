"""Items of a streaming entrypoint, sent one by one while the caller has credit."""

import threading
from time import perf_counter_ns

from . import children, connections, wire
from .answers import TooLarge
from .calls import CURRENT
from .codec import SHORT
from .encode import EncodeError, encode
from .plain import MAX_COLLECTED
from .workers import execute

_END = object()
# A chunk is sent at once unless one was within this time; the watchdog sends it then.
_GATHER_NS = 1_000_000
# What a codec says to an item that it does not take as it is.
_ODD = (TypeError, ValueError, OverflowError, RecursionError)


def items_of(value):
    """Return an iterator over the items that value stands for."""
    if isinstance(value, list) or hasattr(value, "__next__"):
        return iter(value)
    return iter((value,))


async def collected(value):
    """Return the items of an async iterator as a list."""
    out = []
    try:
        async for item in value:
            if len(out) >= MAX_COLLECTED:
                raise EncodeError("result: more than %d items" % MAX_COLLECTED)
            out.append(item)
    finally:
        close = getattr(value, "aclose", None)
        if close is not None:
            await close()
    return out


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
        following, put = source.__anext__, _Way(call, self._answers, self._writer).put
        last = perf_counter_ns()
        try:
            while True:
                if not _has_credit(call):
                    await self._wait_async(call, loop)
                if call.cancel:
                    raise asyncio.CancelledError
                try:
                    item = await following()
                except StopAsyncIteration:
                    break
                put(encode(item, self._codec))
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


class _Way:
    """The way of a call's items to the socket: short ones in batches, long ones alone."""

    def __init__(self, call, answers, writer):
        self._call, self._writer, self._check = call, writer, answers.check
        # An item of so many bytes is within every limit and goes into a batch.
        self.short = min(wire.COPY, answers.limit)
        self._batch = None
        self._size = 0  # of what put has added to it

    def open(self):
        """Return a batch to add items to, of wire.COPY bytes and one item more at the most."""
        batch = self._batch
        if batch is None or batch.queued or batch.sealed:
            self._batch = self._call.batch = batch = wire.Batch(self._call.number)
        self._size = 0
        return batch

    def long(self, body):
        """Check a long item, and let none that follow overtake it."""
        self._check(body)
        if self._batch is not None:
            self._batch.sealed = True

    def charge(self, items, size):
        """Take from the call's credit."""
        self._call.used_items += items
        self._call.used_bytes += size

    def put(self, body):
        """Put one item."""
        size, batch = len(body), self._batch
        self.charge(1, size)
        if size > self.short:
            self.long(body)
            self._writer.frame(wire.CHUNK, self._call.number, body)
            return
        if batch is None or batch.sealed or not batch.queued or self._size > wire.COPY:
            batch = self.open()
        self._size += size
        batch.items.append(body)
        if not batch.queued:
            batch.queued = True
            self._writer.put(batch)


class _Source:
    """The items of one synchronous stream, as JSON."""

    def __init__(self, value, call, codec, answers, writer):
        self._value = value
        self._items = None
        self._call = call
        self._codec = codec
        self._raw, self._options = codec.raw()
        self._way = _Way(call, answers, writer)
        self._put = writer.put

    def pull(self, flushed):
        """Put items' chunks while they come fast, the call has credit and nobody cancels.

        flushed is when chunks were sent last. Returns _END at the end, else the
        JSON of an item that is too long to put here, or None: send what was put.
        A cancel may strike anywhere in here, so nothing here may block or send.
        """
        call, way, codec = self._call, self._way, self._codec
        if self._items is None:
            CURRENT.set(call)
            self._items = items_of(self._value)
        raw, options, until = self._raw, self._options, flushed + _GATHER_NS
        items, most = call.items - call.used_items, min(call.bytes - call.used_bytes, wire.COPY)
        left, free = items, most
        short, batch = min(SHORT, way.short), way.open()
        add = batch.items.append
        for item in self._items:
            try:
                body = raw(item, None, options)
            except _ODD:
                body = encode(item, codec)
            size = len(body)
            left -= 1
            if size > short or b"null" in body:
                try:
                    body = codec.checked(item, body)
                except _ODD:
                    body = encode(item, codec)
                size = len(body)
                if size > way.short:
                    way.charge(items - left, most - free + size)
                    way.long(body)
                    return body
            free -= size
            if batch.sealed:
                batch = way.open()
                add = batch.items.append
            add(body)
            if not batch.queued:
                batch.queued = True
                self._put(batch)
            if not left or free <= 0 or perf_counter_ns() > until or children.forked:
                way.charge(items - left, most - free)
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
