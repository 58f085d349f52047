"""The Python side of the limit row: one thread reads, and runs what is short."""

import asyncio
import os
import socket
import struct
import sys
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "agent"))

import orjson
import work

NAMES = ["echo", "stream", "slow_stream", "big", "sleep", "asleep", "maybe", "cpu", "endless"]
HEAD = struct.Struct(">IIB")
RESULT, CHUNK, ERROR, CANCEL = 1, 2, 3, 255
SHORT = 0.004


class Out:
    """Gathers frames; one system call sends many."""

    def __init__(self, sock):
        self._send, self._frames, self._lock = sock.sendall, deque(), threading.Lock()

    def put(self, number, kind, body):
        self._frames.append(HEAD.pack(len(body), number, kind) + body)

    def flush(self):
        with self._lock:
            frames = [self._frames.popleft() for _ in range(len(self._frames))]
            if frames:
                self._send(b"".join(frames))


class Limit:
    def __init__(self, sock):
        self.out = Out(sock)
        self.sock = sock
        self.functions = [getattr(work, name) for name in NAMES]
        if os.environ.get("BENCH_GRAPH"):
            import graph

            self.functions.append(graph.run)
        self.slow, self.strikes = set(), [0] * 256
        self.canceled = set()
        self.pool = ThreadPoolExecutor(64)
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def run(self):
        self.sock.sendall(b"+")
        data, size = b"", HEAD.size
        while True:
            chunk = self.sock.recv(1 << 18)
            if not chunk:
                os._exit(0)
            data = data + chunk if data else chunk
            pos, end = 0, len(data)
            while end - pos >= size:
                length, number, fn = HEAD.unpack_from(data, pos)
                if pos + size + length > end:
                    break
                body = data[pos + size : pos + size + length]
                pos += size + length
                if fn == CANCEL:
                    self.canceled.add(number)
                else:
                    self.begin(number, fn, body)
            data = data[pos:]
            self.out.flush()

    def begin(self, number, index, body):
        fn = self.functions[index]
        if asyncio.iscoroutinefunction(fn):
            self.loop.call_soon_threadsafe(self.spawn, number, fn, body)
        elif index in self.slow:
            self.pool.submit(self.pooled, number, fn, body)
        else:
            began, busy = time.perf_counter(), time.thread_time()
            self.call(number, fn, body, began)
            wall = time.perf_counter() - began
            if wall > SHORT and time.thread_time() - busy < wall / 4:
                # It waited, or the machine was busy: twice in a row is no chance.
                self.strikes[index] += 1
                if self.strikes[index] > 1:
                    self.slow.add(index)
            else:
                self.strikes[index] = 0

    def pooled(self, number, fn, body):
        self.call(number, fn, body)
        self.out.flush()

    def call(self, number, fn, body, began=None):
        """Run fn. began, on the reading thread, is when it started there."""
        put = self.out.put
        try:
            value = fn(**orjson.loads(body))
            if not hasattr(value, "__next__"):
                put(number, RESULT, orjson.dumps(value))
                return
            self.pump(number, value, began)
        except Exception as error:
            put(number, ERROR, repr(error).encode())

    def pump(self, number, items, began):
        put, flush, then = self.out.put, self.out.flush, 0.0
        for item in items:
            if number in self.canceled:
                items.close()
                self.canceled.discard(number)
                return
            put(number, CHUNK, orjson.dumps(item))
            now = time.perf_counter()
            if now - then > 0.001:
                then = now
                flush()
            if began is not None and now - began > SHORT:
                flush()  # before another thread sends what comes next
                self.pool.submit(self.rest, number, items)
                return
        put(number, RESULT, b"")

    def rest(self, number, items):
        try:
            self.pump(number, items, None)
        except Exception as error:
            self.out.put(number, ERROR, repr(error).encode())
        self.out.flush()

    def spawn(self, number, fn, body):
        task = self.loop.create_task(fn(**orjson.loads(body)))
        task.add_done_callback(lambda task: self.done(number, task))

    def done(self, number, task):
        self.out.put(number, RESULT, orjson.dumps(task.result()))
        self.loop.call_soon(self.out.flush)


Limit(socket.socket(fileno=3)).run()
