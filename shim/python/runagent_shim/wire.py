"""Frames on an instance's socket, as docs/protocol.md describes them."""

import fcntl
import os
import struct
import threading
from collections import deque

ADMIT, CALL, CREDIT, CANCEL, PING, STOP = 1, 2, 3, 4, 5, 6
HELLO, READY, FAILED, CHUNK, LOG, RESULT, ERROR, PONG = 16, 17, 18, 19, 20, 21, 22, 23

MORE = 1
MAX_PAYLOAD = 65536
# What split frames may join to; Go's own limits are far lower.
MAX_JOINED = 256 << 20
_READ_SIZE = (128 << 10) - 64
_WRITE_SIZE = 256 << 10

HEAD = struct.Struct(">IBBHI")
_pack = HEAD.pack


class ProtocolError(Exception):
    """The other side broke the protocol; the connection is of no more use."""


def frames(sock, drained):
    """Yield (type, call, payload) for ever; return at the end of the stream.

    drained is called each time everything received so far has been yielded.
    """
    recv, unpack, size = sock.recv, HEAD.unpack_from, HEAD.size
    data, pos, parts = b"", 0, {}
    while True:
        drained()
        try:
            chunk = recv(_READ_SIZE)
        except ConnectionError:
            return
        if not chunk:
            return
        data = data[pos:] + chunk if pos < len(data) else chunk
        pos, end = 0, len(data)
        while end - pos >= size:
            length, kind, flags, _, call = unpack(data, pos)
            if length > MAX_PAYLOAD:
                raise ProtocolError("a frame of %d bytes" % length)
            stop = pos + size + length
            if stop > end:
                break
            payload = data[pos + size : stop]
            pos = stop
            if flags & MORE or (parts and (kind, call) in parts):
                payload = _join(parts, (kind, call), payload, flags)
                if payload is None:
                    continue
            yield kind, call, payload


def _join(parts, key, payload, flags):
    """Return the whole payload with its last part, None before."""
    held = parts.setdefault(key, [0])
    held[0] += len(payload)
    held.append(payload)
    if held[0] > MAX_JOINED:
        raise ProtocolError("a payload of more than %d bytes" % MAX_JOINED)
    if flags & MORE:
        return None
    del parts[key]
    return b"".join(held[1:])


# User code that closes all low descriptors must not close ours.
_HIGH_FD = 200


def high(fd):
    """Return the descriptor fd, moved out of the way of user code and closed on exec."""
    try:
        moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _HIGH_FD)
    except OSError:  # there may not be as many
        os.set_inheritable(fd, False)
        return fd
    os.close(fd)
    return moved


class Writer:
    """Gathers frames and sends many with one system call. Safe for all threads.

    put never blocks and never sends, so that code which may be interrupted at
    any point can call it; flush sends what has been put.
    """

    def __init__(self, sock):
        self._send = sock.send
        self._busy = threading.Lock()
        self.pending = deque()
        self.put = self.pending.append

    def frame(self, kind, call, payload):
        """Put one message, in several frames if it is long."""
        if len(payload) <= MAX_PAYLOAD:
            self.put(_pack(len(payload), kind, 0, 0, call) + payload)
            return
        last = len(payload) - 1
        for at in range(0, len(payload), MAX_PAYLOAD):
            part = payload[at : at + MAX_PAYLOAD]
            more = MORE if at + MAX_PAYLOAD <= last else 0
            self.put(_pack(len(part), kind, more, 0, call) + part)

    def flush(self):
        """Send what is pending, unless another thread is at it: it takes ours along."""
        while self.pending and self._busy.acquire(False):
            try:
                self._drain()
            finally:
                self._busy.release()

    def finish(self):
        """Send everything and keep all other threads from sending, for the end."""
        self._busy.acquire()
        self._drain()

    def _drain(self):
        pending, send = self.pending, self._send
        while pending:
            frames, size = [], 0
            while pending and size < _WRITE_SIZE:
                frame = pending.popleft()
                frames.append(frame)
                size += len(frame)
            data = frames[0] if len(frames) == 1 else b"".join(frames)
            try:
                sent = send(data)
                while sent < len(data):
                    sent += send(memoryview(data)[sent:])
            except OSError:
                os._exit(1)  # Go has gone: there is nobody left to serve
