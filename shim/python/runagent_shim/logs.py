"""What user code prints and logs, line by line, tied to the call that did.

Lines are put, never sent, by the thread that prints: it may be interrupted at
any point. The watchdog, or the next answer, sends them.
"""

import io
import logging
import os
import struct
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from time import time_ns

from . import wire
from .calls import CURRENT

STDOUT, STDERR, LOGGING, SHIM = 1, 2, 3, 4

_LINE = struct.Struct(">IBBHIBBHQ")
_MAX_LINES, _MAX_BYTES = 1000, 1 << 20  # in one second
_MOST = (64 << 10) - 12
_ENDLESS = 1 << 20  # characters without an end are a line


class Logs:
    """Captures output. Lines beyond what a second allows are dropped and counted."""

    def __init__(self, writer, reader, answers, line_bytes):
        self._put = writer.put
        self._nudge = reader.nudge
        self._active = answers.active
        self._limit = min(max(line_bytes, 64), _MOST)
        self._second = self._lines = self._bytes = self._dropped = 0
        self.partial = {}  # (call, stream) -> text of a line without its end
        self.forked = False  # in a child process that user code forked
        answers.before_end = self.end
        answers.partial_lines = self.partial

    def install(self):
        """Capture sys.stdout, sys.stderr and logging, and follow threads."""
        sys.stdout, sys.stderr = _Out(self, STDOUT), _Out(self, STDERR)
        _capture_logging(self)
        _follow_threads()

    def release(self):
        """Write to the descriptors again: this process is a child of the instance."""
        self.forked = True
        self.partial.clear()
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__

    def line(self, stream, level, text, call):
        """Put one line of call, None for the instance."""
        data = text.encode("utf-8", "backslashreplace")
        if len(data) > self._limit:
            more = " … (%d bytes in all)" % len(data)
            data = data[: self._limit - len(more.encode())].decode("utf-8", "ignore").encode() + more.encode()
        now = time_ns() // 1000
        if now // 1_000_000 != self._second:
            self.report()
            self._second, self._lines, self._bytes = now // 1_000_000, 0, 0
        self._lines += 1
        self._bytes += len(data)
        if self._lines > _MAX_LINES or self._bytes > _MAX_BYTES:
            self._dropped += 1
            return
        if call is not None and call.batch is not None:
            call.batch.sealed = True  # what it yields next comes after the line
        self._send(stream, level, self._number(call), now, data)

    def report(self):
        """Say how many lines were dropped since the last time."""
        dropped, self._dropped = self._dropped, 0
        if dropped:
            text = "%d lines dropped: more than %d lines or %d bytes in a second"
            self._send(SHIM, 30, 0, time_ns() // 1000, (text % (dropped, _MAX_LINES, _MAX_BYTES)).encode())

    def end(self, call):
        """Put the lines that call has begun: it is about to be answered."""
        for stream in (STDOUT, STDERR):
            text = self.partial.pop((call, stream), None)
            if text:
                self.line(stream, 0, text, call)

    def _send(self, stream, level, number, now, data):
        self._put(_LINE.pack(len(data) + 12, wire.LOG, 0, 0, number, stream, level, 0, now) + data)
        self._nudge()

    def _number(self, call):
        if call is None:
            return 0
        if not call.done:
            return call.number
        # A thread that outlived its call: the only one running will do.
        running = list(self._active)
        return running[0] if len(running) == 1 else 0


class _Out(io.TextIOBase):
    """Stands for sys.stdout or sys.stderr."""

    encoding = "utf-8"
    errors = "backslashreplace"
    line_buffering = True
    mode = "w"

    def __init__(self, logs, stream):
        super().__init__()
        self._logs = logs
        self._stream = stream
        self.name = "<stdout>" if stream == STDOUT else "<stderr>"
        self.buffer = _Bytes(self)

    def write(self, text):
        """Take text; its whole lines go out."""
        if not isinstance(text, str):
            raise TypeError("write() argument must be str, not %s" % type(text).__name__)
        logs = self._logs
        if logs.forked:
            os.write(self._stream, text.encode("utf-8", "backslashreplace"))
            return len(text)
        call = CURRENT.get()
        partial, key = logs.partial, (call, self._stream)
        begun = partial.pop(key, None) if partial else None
        whole, end, rest = (begun + text if begun else text).rpartition("\n")
        if end:
            for line in whole.split("\n"):
                logs.line(self._stream, 0, _last_state(line), call)
        if rest:
            if len(rest) > _ENDLESS:
                logs.line(self._stream, 0, rest, call)
            else:
                partial[key] = _last_state(rest) if rest[-1] != "\r" else rest
        return len(text)

    def writable(self):
        """Say yes."""
        return True

    def fileno(self):
        """Return the descriptor, which Go reads too."""
        return self._stream

    def isatty(self):
        """Say no."""
        return False

    def close(self):
        """Stay open: others print too."""

    def reconfigure(self, **_):
        """Accept what a TextIOWrapper accepts."""


class _Bytes(io.RawIOBase):
    """Stands for sys.stdout.buffer."""

    def __init__(self, out):
        super().__init__()
        self._out = out
        self.raw = self

    def write(self, data):
        """Take bytes as text."""
        data = bytes(data)
        self._out.write(data.decode("utf-8", "backslashreplace"))
        return len(data)

    def writable(self):
        """Say yes."""
        return True

    def fileno(self):
        """Return the descriptor."""
        return self._out.fileno()

    def close(self):
        """Stay open."""


def _last_state(line):
    """Return what a terminal would show of a line that returns to its start."""
    return line if "\r" not in line else line.rstrip("\r").rpartition("\r")[2]


def _capture_logging(logs):
    """Take records that would be printed, with their level. Handlers and formats stay the user's."""
    emit = logging.StreamHandler.emit

    def captured(self, record):
        if type(self.stream) is not _Out or logs.forked:
            emit(self, record)
            return
        try:
            text = self.format(record)
        except RecursionError:
            raise
        except Exception:
            self.handleError(record)
            return
        level, call = min(max(record.levelno // 10 * 10, 10), 50), CURRENT.get()
        for line in text.split("\n"):
            logs.line(LOGGING, level, line, call)

    logging.StreamHandler.emit = captured


def _follow_threads():
    """Have threads and executors hand on which call they work for, and nothing else."""
    start, submit = threading.Thread.start, ThreadPoolExecutor.submit

    def start_for_call(self):
        call = CURRENT.get()
        if call is None:
            return start(self)
        run = self.run

        def carried():
            self.__dict__.pop("run", None)
            CURRENT.set(call)
            run()

        self.run = carried
        return start(self)

    def submit_for_call(self, fn, /, *args, **kwargs):
        call = CURRENT.get()
        if call is None:
            return submit(self, fn, *args, **kwargs)

        def carried(*args, **kwargs):
            token = CURRENT.set(call)
            try:
                return fn(*args, **kwargs)
            finally:
                CURRENT.reset(token)

        # A thread made now serves other calls later: it belongs to none.
        token = CURRENT.set(None)
        try:
            return submit(self, carried, *args, **kwargs)
        finally:
            CURRENT.reset(token)

    threading.Thread.start = start_for_call
    ThreadPoolExecutor.submit = submit_for_call
