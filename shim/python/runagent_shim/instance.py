"""The life of an instance: hello, admit, import, ready, calls, stop."""

import atexit
import fcntl
import json
import os
import signal
import socket
import struct
import sys
import time

from . import codec as codecs
from . import entrypoints, faults, schema, streams, wire
from .answers import Answers
from .bind import Binder
from .calls import Call, Entry
from .loader import Modules
from .loop import Loop
from .reader import Reader
from .streams import Streams
from .sync import Threads
from .workers import Pool

PROTOCOL = 1
_CREDIT = struct.Struct(">II")
# User code that closes all low descriptors must not close our socket.
_HIGH_FD = 200
# How long a generator may finish its item before its thread is interrupted.
_PATIENCE = 1.0


def serve(fd, token):
    """Be the instance whose socket is fd. Never returns."""
    sock = _socket(fd)
    writer = wire.Writer(sock)
    writer.frame(wire.HELLO, 0, _json({"token": token, "protocol": PROTOCOL}))
    pool = Pool(1)
    reader = Reader(sock, writer, pool)
    frame = reader.frame()
    if frame is None or frame[0] != wire.ADMIT:
        os._exit(1)
    Instance(json.loads(frame[2]), writer, reader, pool).run()


class Instance:
    """Wires the parts together and takes what Go says."""

    def __init__(self, admit, writer, reader, pool):
        self._admit = admit
        self._writer, self._reader = writer, reader
        self._entries = []
        self._modules = Modules(admit["dir"], admit.get("snapshot"))
        self._stopping = False
        limits = admit.get("limits") or {}
        pool.limit = ((admit.get("concurrency") or {}).get("sync") or 64) + 1
        self._codec = codec = codecs.choose()
        self._answers = answers = Answers(writer, limits.get("result_bytes") or 10 << 20)
        self._streams = Streams(codec, writer, answers, reader)
        self._loop = Loop(codec, writer, answers, self._streams)
        self._threads = Threads(codec, writer, answers, pool, self._loop.finish, self._streams)
        self._loop.on_thread = self._threads.pump

    def run(self):
        """Import the agent, then serve calls until the end."""
        self._reader.start(
            self._begin,
            self._threads.serve,
            {
                wire.CREDIT: self._credit,
                wire.CANCEL: self._cancel,
                wire.PING: self._ping,
                wire.STOP: self._stop,
            },
        )
        try:
            self._settle()
            ready = self._load()
        except BaseException as error:
            self._fail(error)
        self._writer.frame(wire.READY, 0, _json(ready))
        self._writer.flush()
        self._loop.run()

    def _settle(self):
        """Become the process that ADMIT describes."""
        admit = self._admit
        for name in admit.get("unset") or ():
            os.environ.pop(name, None)
        os.environ.update(admit.get("env") or {})
        if admit.get("data_dir"):
            os.environ.setdefault("RUNAGENT_DATA_DIR", admit["data_dir"])
        time.tzset()
        os.chdir(admit["dir"])
        # Ctrl-C in a terminal is for the server to act on, not for us.
        signal.signal(signal.SIGINT, _ignore)

    def _load(self):
        """Import the agent's files and return what READY says."""
        began = time.perf_counter()
        self._modules.install()
        made = {}
        described = [self._resolve(given, made) for given in self._admit["entrypoints"]]
        return {
            "entrypoints": described,
            "modules": self._modules.foreign(),
            "python": "%d.%d.%d" % sys.version_info[:3],
            "codec": self._codec.name,
            "import_ms": int((time.perf_counter() - began) * 1000),
            "warnings": [],
        }

    def _resolve(self, given, made):
        """Add one entrypoint and return how READY describes it."""
        tag, file, path = given["tag"], given["file"], given["module"]
        fn = entrypoints.resolve(self._modules.load(file), path, file, made)
        kind = entrypoints.kind(fn, given.get("type"), tag, file)
        entry = Entry(tag, file, path, kind, fn, Binder(fn, tag))
        self._place(entry)
        self._entries.append(entry)
        about = {"tag": tag, "type": kind, "streams": entry.streams, "file": file, "module": path}
        about.update(schema.describe(fn))
        return about

    def _place(self, entry):
        """Decide where the entrypoint's calls are served."""
        if entry.kind == "async" or entrypoints.returns_async(entry.fn):
            entry.submit = self._loop.submit
        else:
            entry.submit = self._threads.submit
            entry.inline = True

    def _begin(self, number, payload):
        call = Call(number, payload)
        call.entry = entry = self._entries[call.index]
        self._answers.active[number] = call
        if entry.inline:
            return call
        entry.submit(call)
        return None

    def _credit(self, number, payload):
        call = self._answers.active.get(number)
        if call is not None:
            streams.credit(call, *_CREDIT.unpack(payload))

    def _cancel(self, number, payload):
        call = self._answers.active.get(number)
        if call is None:
            return
        call.cancel = payload[0] if payload else 1
        self._loop.cancel(call)
        streams.wake(call)
        if call.worker is None:
            return
        if call.entry.streams:
            # It is closed between two items; only if none comes it is interrupted.
            self._loop.soon(self._loop.loop.call_later, _PATIENCE, call.worker.strike, call)
        else:
            call.worker.strike(call)

    def _ping(self, _, payload):
        self._writer.frame(wire.PONG, 0, payload)

    def _stop(self, *_):
        self._answers.idle = self._leave_soon
        if not self._answers.active:
            self._leave_soon()

    def _leave_soon(self):
        self._loop.soon(self._leave)

    def _leave(self):
        """End with status 0. Called on the main thread, when no call is left."""
        atexit._run_exitfuncs()
        self._writer.finish()
        os._exit(0)

    def _fail(self, error):
        """Say why the agent can't be served, and exit."""
        file, line = faults.place(error, self._modules.owns)
        report = dict(faults.describe(error), file=file, line=line)
        self._writer.frame(wire.FAILED, 0, _json(report))
        self._writer.finish()
        os._exit(1)


def _socket(fd):
    """Return the socket at fd, moved out of the way and closed on exec."""
    try:
        moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _HIGH_FD)
        os.close(fd)
    except OSError:
        moved = fd
        os.set_inheritable(fd, False)
    return socket.socket(fileno=moved)


def _json(value):
    return json.dumps(value).encode()


def _ignore(*_):
    pass
