"""Plays the Go side over real socket pairs, against real processes."""

import array
import collections
import json
import os
import select
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import textwrap
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
BOOT = os.path.join(os.path.dirname(HERE), "boot.py")
HEAD = struct.Struct(">IBBHI")
CALL = struct.Struct(">HHIIIII")
ADMIT, CALL_, CREDIT, CANCEL, PING, STOP = 1, 2, 3, 4, 5, 6
HELLO, READY, FAILED, CHUNK, LOG, RESULT, ERROR, PONG, CHUNKS, MODULES = 16, 17, 18, 19, 20, 21, 22, 23, 24, 25
MOST = 256 << 10  # bytes of a frame's payload
DEADLINE = 20.0  # no test waits longer than this for one frame


class Frame:
    """One message from the instance."""

    def __init__(self, kind, call, payload):
        self.kind, self.call, self.payload = kind, call, payload

    def json(self):
        return json.loads(self.payload)

    @property
    def value(self):
        """The JSON of a RESULT or CHUNK, decoded; None when there is none."""
        body = self.payload[12:] if self.kind == RESULT else self.payload
        return json.loads(body) if body else None

    def __repr__(self):
        return "Frame(%d, call %d, %r)" % (self.kind, self.call, self.payload[:300])


class Line(Frame):
    """One LOG line."""

    def __init__(self, frame):
        super().__init__(frame.kind, frame.call, frame.payload)
        self.stream, self.level, _, self.micros = struct.unpack_from(">BBHQ", frame.payload)
        self.text = frame.payload[12:].decode()


class Connection:
    """Go's end of an instance's socket."""

    def __init__(self, sock):
        self.sock = sock
        self.buffer = b""
        self.parts = {}
        self.items = collections.deque()  # of a CHUNKS frame, as if each had come by itself
        self.batches = []  # how many items each CHUNKS frame had
        self.logs = []
        self.loaded = []  # what MODULES frames told
        self.number = 0
        self.tags = []
        self.ready = None

    def send(self, kind, call=0, payload=b""):
        self.sock.sendall(encode(kind, call, payload))

    def receive(self, timeout=DEADLINE):
        """Return the next frame, None at the end of the stream."""
        while True:
            frame = self._parse()
            if frame is not None:
                return frame
            if not select.select([self.sock], [], [], timeout)[0]:
                raise AssertionError("no frame within %s s" % timeout)
            try:
                data = self.sock.recv(1 << 20)
            except ConnectionResetError:
                data = b""
            if not data:
                return None
            self.buffer += data

    def _parse(self):
        if self.items:
            return self.items.popleft()
        while len(self.buffer) >= 12:
            size, kind, flags, zero, call = HEAD.unpack_from(self.buffer)
            if zero or size > MOST:
                raise AssertionError("bad head: %r" % self.buffer[:12])
            if len(self.buffer) < 12 + size:
                return None
            payload, self.buffer = self.buffer[12 : 12 + size], self.buffer[12 + size :]
            if (kind, call) in self.parts and not flags & 2:
                raise AssertionError("a split payload begins again")
            payload = self.parts.pop((kind, call), b"") + payload
            if flags & 1:
                self.parts[kind, call] = payload
                continue
            if flags:
                whole, payload = int.from_bytes(payload[:4], "big"), payload[4:]
                assert whole == len(payload), (whole, len(payload))
            if kind == CHUNKS:
                self.items += [Frame(CHUNK, call, item) for item in payload.split(b"\n")]
                assert len(self.items) > 1, "CHUNKS of %d" % len(self.items)
                self.batches.append(len(self.items))
                return self.items.popleft()
            return Frame(kind, call, payload)
        return None

    def next(self, timeout=DEADLINE):
        """Return the next frame that is no LOG and no MODULES; those are kept in logs and loaded."""
        while True:
            frame = self.receive(timeout)
            if frame is not None and frame.kind == LOG:
                self.logs.append(Line(frame))
            elif frame is not None and frame.kind == MODULES:
                self.loaded += frame.json()
            else:
                return frame

    def admit(self, directory, entrypoints, **more):
        """Admit the instance and return its READY or FAILED frame."""
        hello = self.next()
        assert hello.kind == HELLO, hello
        self.hello = hello.json()
        listed = []
        for one in entrypoints:
            if isinstance(one, str):
                one = {"tag": one, "module": one}
            listed.append(dict({"file": "main.py"}, **one))
        self.tags = [one["tag"] for one in listed]
        body = {"agent_id": "a", "agent_name": "a", "dir": directory, "snapshot": "", "env": {}}
        body.update(unset=[], data_dir="", entrypoints=listed)
        body.update(limits={"result_bytes": 10 << 20, "log_line_bytes": 16384})
        body.update(concurrency={"sync": 64, "async": 1000})
        body.update(batch={"max_size": 8, "max_wait_ms": 10, "isolate": False})
        body.update(more)
        self.send(ADMIT, 0, json.dumps(body).encode())
        self.ready = self.next()
        return self.ready

    def start(self, tag, kwargs=None, args=None, items=1000, size=1 << 30, limit_ms=0, meta=None):
        """Send a CALL and return its number."""
        self.number += 1
        self.send(CALL_, self.number, call(self.tags.index(tag), kwargs, args, items, size, limit_ms, meta))
        return self.number

    def call(self, tag, kwargs=None, args=None, **more):
        """Make a call and return its answer."""
        return self.answer(self.start(tag, kwargs, args, **more))

    def answer(self, number, timeout=DEADLINE):
        """Return the answer to one call; chunks before it are dropped."""
        return self.answers([number], timeout)[number]

    def answers(self, numbers, timeout=DEADLINE):
        """Return {number: RESULT or ERROR} of all the calls."""
        found, missing = {}, set(numbers)
        while missing:
            frame = self.next(timeout)
            assert frame is not None, "the connection ended"
            if frame.kind in (RESULT, ERROR):
                missing.remove(frame.call)
                found[frame.call] = frame
        return found

    def stream(self, tag, kwargs=None, **more):
        """Make a call; return the list of its chunks' values and its answer."""
        number, chunks = self.start(tag, kwargs, **more), []
        while True:
            frame = self.next()
            assert frame is not None and frame.call == number, frame
            if frame.kind != CHUNK:
                return chunks, frame
            chunks.append(frame.value)

    def credit(self, number, items, size):
        self.send(CREDIT, number, struct.pack(">II", items, size))

    def cancel(self, number, reason=1):
        self.send(CANCEL, number, bytes([reason]))

    def ping(self):
        """Send a PING and wait for its PONG, which tells that all frames before were read."""
        self.send(PING, 0, b"now")
        frame = self.next()
        assert frame.kind == PONG and frame.payload == b"now", frame


class Instance(Connection):
    """A plainly started instance."""

    def __init__(self, **popen):
        ours, theirs = socket.socketpair()
        env = dict(os.environ, RUNAGENT_TOKEN="token", PYTHONDONTWRITEBYTECODE="1")
        argv = [sys.executable, BOOT, "instance", "--fd", str(theirs.fileno())]
        popen.setdefault("stdin", subprocess.DEVNULL)
        self.process = subprocess.Popen(argv, pass_fds=[theirs.fileno()], env=env, **popen)
        theirs.close()
        super().__init__(ours)

    def close(self):
        self.sock.close()
        if self.process.poll() is None:
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()


class Zygote:
    """A zygote and the control socket to it."""

    def __init__(self, env=None):
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        env = dict(os.environ, PYTHONDONTWRITEBYTECODE="1", **(env or {}))
        argv = [sys.executable, BOOT, "zygote", "--fd", str(theirs.fileno())]
        self.process = subprocess.Popen(argv, pass_fds=[theirs.fileno()], env=env, stdin=subprocess.DEVNULL)
        theirs.close()
        self.exits = {}
        self.pidfds = []
        self.connections = []

    def send(self, packet, *fds):
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.control.sendmsg([json.dumps(packet).encode()], rights)

    def receive(self, timeout=DEADLINE):
        """Return (packet, descriptors), (None, []) at the end; exits are kept in exits too."""
        if not select.select([self.control], [], [], timeout)[0]:
            raise AssertionError("no packet within %s s" % timeout)
        data, ancillary, _, _ = self.control.recvmsg(65536, socket.CMSG_SPACE(64))
        fds = array.array("i")
        for _, _, body in ancillary:
            fds.frombytes(body)
        if not data:
            return None, []
        packet = json.loads(data)
        if packet["op"] == "exit":
            self.exits[packet["pid"]] = packet["status"]
        return packet, list(fds)

    def imports(self, modules):
        self.send({"op": "import", "modules": modules})
        return self.receive()[0]

    def fork(self, token="forked"):
        """Fork an instance and return its connection, with pid and pidfd."""
        ours, theirs = socket.socketpair()
        self.send({"op": "fork", "token": token}, theirs.fileno(), 1, 2)
        theirs.close()
        packet, fds = self.receive()
        while packet["op"] == "exit":
            packet, fds = self.receive()
        assert packet["op"] == "forked" and packet["token"] == token, packet
        connection = Connection(ours)
        connection.pid, connection.pidfd = packet["pid"], fds[0]
        self.pidfds += fds
        self.connections.append(connection)
        return connection

    def release(self, connection):
        """Close what is held of a child, which ends it."""
        connection.sock.close()
        os.close(connection.pidfd)
        self.pidfds.remove(connection.pidfd)
        self.connections.remove(connection)

    def wait(self, pid):
        """Return the status that the zygote reports for pid."""
        while pid not in self.exits:
            self.receive()
        return self.exits[pid]

    def close(self):
        for connection in self.connections:
            connection.sock.close()
        self.control.close()
        for fd in self.pidfds:
            os.close(fd)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Case(unittest.TestCase):
    """A test with folders and processes that are cleaned up."""

    def folder(self, **files):
        """Write files, named without .py, and return their folder."""
        directory = os.path.realpath(tempfile.mkdtemp(prefix="shim-"))
        self.addCleanup(shutil.rmtree, directory, True)
        for name, text in files.items():
            self.write(directory, name + ".py", text)
        return directory

    def write(self, directory, name, text):
        path = os.path.join(directory, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(textwrap.dedent(text))
        return path

    def instance(self, **popen):
        instance = Instance(**popen)
        self.addCleanup(instance.close)
        return instance

    def zygote(self, modules=(), env=None):
        zygote = Zygote(env)
        self.addCleanup(zygote.close)
        zygote.ready = zygote.imports(list(modules))
        return zygote

    def serve(self, code, *entrypoints, **admit):
        """Start an instance that serves code as main.py."""
        instance = self.instance()
        ready = instance.admit(self.folder(main=code), entrypoints, **admit)
        self.assertEqual(ready.kind, READY, ready)
        return instance

    def assertError(self, frame, code, text=""):
        self.assertEqual(frame.kind, ERROR, frame)
        self.assertEqual(frame.json()["code"], code, frame)
        self.assertIn(text, frame.json()["message"])
        return frame.json()

    def eventually(self, check, what):
        """Wait until check() is true; for what no frame tells."""
        end = time.monotonic() + DEADLINE
        while not check():
            self.assertLess(time.monotonic(), end, what)
            time.sleep(0.005)


def functions(code):
    """Return the names of the functions that code, indented by four, defines."""
    lines = [line[4:] for line in code.splitlines()]
    return [s.split("def ")[1].split("(")[0] for s in lines if s.startswith(("def ", "async def "))]


def encode(kind, number, payload):
    """Return the frames of one message."""
    frames, flags = [], 0
    if len(payload) > MOST:
        payload = struct.pack(">I", len(payload)) + payload
    for at in range(0, max(len(payload), 1), MOST):
        part = payload[at : at + MOST]
        flags = 2 * (at > 0) + (at + MOST < len(payload))
        frames.append(HEAD.pack(len(part), kind, flags, 0, number) + part)
    return b"".join(frames)


def call(index, kwargs=None, args=None, items=1000, size=1 << 30, limit_ms=0, meta=None):
    """Return the payload of a CALL."""
    meta = b"" if meta is None else json.dumps(meta).encode()
    args = b"" if args is None else json.dumps(args).encode()
    kwargs = b"" if kwargs is None else json.dumps(kwargs).encode()
    return CALL.pack(index, 0, limit_ms, items, size, len(meta), len(args)) + meta + args + kwargs
