"""Frames on an instance's socket, as docs/protocol.md describes them."""

import fcntl
import functools
import os
import struct
import threading
from collections import deque

ADMIT, CALL, CREDIT, CANCEL, PING, STOP = 1, 2, 3, 4, 5, 6
HELLO, READY, FAILED, CHUNK, LOG, RESULT, ERROR, PONG, CHUNKS, MODULES = 16, 17, 18, 19, 20, 21, 22, 23, 24, 25

# Which part of a split payload a frame carries: the first has MORE, those
# between both, the last CONTINUES.
MORE, CONTINUES = 1, 2
MAX_PAYLOAD = 256 << 10
# What split frames may join to; Go's own limits are far lower.
MAX_JOINED = 256 << 20
_READ_SIZE = (128 << 10) - 64
_WRITE_SIZE = 256 << 10
# A frame that is longer and has not all come yet is read right to its place.
_SHORT = 16 << 10
_LARGE_BLOCK = 8 << 20
# What is longer is sent from where it is.
COPY = 64 << 10
# How much of what follows it may be read along: a head, above all.
_SPILL = 4 << 10

HEAD = struct.Struct(">IBBHI")
_pack = HEAD.pack


class ProtocolError(Exception):
    """The other side broke the protocol; the connection is of no more use."""


_WHOLE = struct.Struct(">I")


def frames(sock, drained):
    """Yield (type, call, payload) for ever; return at the end of the stream.

    A payload is bytes or, if it is long, a memoryview. drained is called each
    time everything received so far has been yielded.
    """
    recv, unpack, size = sock.recv, HEAD.unpack_from, HEAD.size
    data, pos, joints = b"", 0, {}
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
            start, stop = pos + size, pos + size + length
            if not flags and stop <= end:
                payload = data[start:stop]
                pos = stop
                yield kind, call, payload
                continue
            if stop > end and (length <= _SHORT or end - start < _WHOLE.size):
                break
            # A long frame, or one part of a split payload: it goes where it belongs.
            if flags == MORE:
                (whole,) = _WHOLE.unpack_from(data, start)
                start += _WHOLE.size
                joints[kind, call] = _Joint(whole)
            joint = joints.get((kind, call)) if flags else _Joint(length)
            part = _part(joint, stop - start)
            have = min(end, stop) - start
            part[:have] = memoryview(data)[start : start + have]
            pos = stop
            if stop > end:
                drained()
                data = _receive(sock, part[have:])
                if data is None:
                    return
                pos, end = 0, len(data)
            if flags & MORE:
                continue
            if joint.at != len(joint.view):
                raise ProtocolError("%d bytes of a payload of %d" % (joint.at, len(joint.view)))
            joints.pop((kind, call), None)
            yield kind, call, joint.view


class _Joint:
    """A long payload. at is where its next part goes."""

    __slots__ = ("view", "at")

    def __init__(self, size):
        if size > MAX_JOINED:
            raise ProtocolError("a payload of %d bytes" % size)
        self.view, self.at = memoryview(bytearray(size)), 0
        _keep_freed_memory()


@functools.lru_cache(maxsize=None)
def _keep_freed_memory():
    """Have malloc keep some MiB of what is freed, once the first long payload has come.

    glibc gives free memory beyond twice the largest block back that was mapped
    and freed so far. A payload's copies are just about as much: it would return
    memory and fault it in again at each. A block that nobody touches costs nothing.
    """
    bytes(_LARGE_BLOCK)


def _part(joint, size):
    """Return the place of the joint's next size bytes."""
    if joint is None:
        raise ProtocolError("a part of a payload that has not begun")
    part = joint.view[joint.at : joint.at + size]
    if len(part) < size:
        raise ProtocolError("a payload longer than its %d bytes" % len(joint.view))
    joint.at += size
    return part


def _receive(sock, view):
    """Fill view. Return what came behind it, None at the end of the stream."""
    spill = bytearray(_SPILL)
    at, size = 0, len(view)
    while at < size:
        try:
            got = sock.recvmsg_into((view[at:], spill))[0]
        except ConnectionError:
            return None
        if not got:
            return None
        at += got
    return bytes(spill[: at - size])


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


class Batch:
    """Items of one stream on their way: those that come before it is sent go in one frame.

    Its stream adds to items, and puts the batch again unless it is queued. No
    item may be added once it is sealed: something of the same call stands behind it.
    """

    __slots__ = ("call", "items", "queued", "sealed")

    def __init__(self, call):
        self.call, self.items = call, []
        self.queued = self.sealed = False

    def take(self):
        """Return the frame of what has come, b"" if nothing has."""
        # In this order: an item that comes meanwhile is taken now, or puts the batch again.
        self.queued = False
        items = self.items
        count = len(items)
        if count == 1:
            kind, body = CHUNK, items[0]
        elif count:
            kind, body = CHUNKS, b"\n".join(items[:count])
        else:
            return b""
        del items[:count]
        return _pack(len(body), kind, 0, 0, self.call) + body


class Writer:
    """Gathers frames and sends many with one system call. Safe for all threads.

    put never blocks and never sends, so that code which may be interrupted at
    any point can call it; flush sends what has been put.
    """

    def __init__(self, sock):
        self._send, self._sendmsg = sock.send, sock.sendmsg
        self._busy = threading.Lock()
        self.pending = deque()
        self.put = self.pending.append

    def frame(self, kind, call, payload):
        """Put one message, in several frames if it is long."""
        if len(payload) <= COPY:
            self.put(_pack(len(payload), kind, 0, 0, call) + payload)
        else:
            for frame in _split(kind, call, b"", payload):
                self.put(frame)

    def last(self, kind, call, head, body):
        """Put the last message of a call, head + body. A long one makes way for what is short."""
        if len(body) <= COPY:
            self.put(_pack(len(head) + len(body), kind, 0, 0, call) + head + body)
        else:
            self.put(_split(kind, call, head, body))

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
        """Send all that is pending: what is short in order, between the frames of what is long."""
        pending, long = self.pending, deque()
        while pending or long:
            frames, size, tail = [], 0, ()
            while pending and size < _WRITE_SIZE:
                frame = pending.popleft()
                if type(frame) is Batch:
                    frame = frame.take()
                if type(frame) is bytes:
                    frames.append(frame)
                    size += len(frame)
                elif type(frame) is tuple:
                    tail = frame
                    break
                else:
                    long.append(frame)
            if long and not tail:
                tail = next(long[0], ())
                if not tail:
                    long.popleft()
            data = frames[0] if len(frames) == 1 else b"".join(frames)
            try:
                if tail:
                    self._send_all([data, *tail])
                elif data:
                    self._send_bytes(data)
            except OSError:
                os._exit(1)  # Go has gone: there is nobody left to serve

    def _send_bytes(self, data):
        send = self._send
        sent = send(data)
        while sent < len(data):
            sent += send(memoryview(data)[sent:])

    def _send_all(self, buffers):
        """Send buffers without joining them."""
        left = sum(map(len, buffers))
        while True:
            sent = self._sendmsg(buffers)
            left -= sent
            if not left:
                return
            while sent >= len(buffers[0]):
                sent -= len(buffers.pop(0))
            buffers[0] = memoryview(buffers[0])[sent:]


def _split(kind, call, head, body):
    """Yield the frames of the payload head + body: each a pair of buffers."""
    view, size, flags = memoryview(body), len(body), 0
    whole = len(head) + size
    if whole > MAX_PAYLOAD:
        head, flags = _WHOLE.pack(whole) + head, MORE
    at = 0
    while True:
        stop = min(size, at + MAX_PAYLOAD - len(head))
        if stop == size:
            flags &= ~MORE
        yield _pack(len(head) + stop - at, kind, flags, 0, call) + head, view[at:stop]
        if stop == size:
            return
        at, head, flags = stop, b"", MORE | CONTINUES
