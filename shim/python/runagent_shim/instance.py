"""The life of an instance: hello, admit, import, ready, calls, stop.

What happens until READY costs each instance the pages it touches: those it
shared with the zygote until then. So it takes the shortest ways it can.
"""

import atexit
import gc
import importlib
import json
import os
import socket
import struct
import sys
import threading
import time

from . import codec as codecs
from . import adapters, children, connections, entrypoints, faults, schema, signals, streams, wire, workers
from .adapters import bridge
from .answers import Answers
from .batch import Batcher
from .bind import Binder
from .calls import Call, Entry
from .loader import Modules
from .logs import SHIM, Logs
from .loop import Loop
from .reader import Reader
from .streams import Streams
from .sync import Threads

PROTOCOL = 1
_CREDIT = struct.Struct(">II")
# How long after a call that loaded modules Go is told of them, and of those after it.
_LATER = 1.0
# How long after a cancel the garbage is collected, and which part of the time that may take at most.
_TIDY, _TIDY_PART = 1.0, 0.02
# How long a generator may finish its item before its thread is interrupted.
_PATIENCE = 1.0


def serve(fd, token, known=(0, 0, b"")):
    """Be the instance whose socket is fd. Never returns.

    known is what modules_so_far said before a fork.
    """
    sock = socket.socket(fileno=wire.high(fd))
    writer = wire.Writer(sock)
    writer.frame(wire.HELLO, 0, b'{"token": "%s", "protocol": %d}' % (token.encode(), PROTOCOL))
    pool = workers.Pool(1)
    reader = Reader(sock, writer, pool)
    frame = reader.frame()
    if frame is None or frame[0] != wire.ADMIT:
        os._exit(1)
    Instance(json.loads(bytes(frame[2]).decode()), known, sock, writer, reader, pool).run()


def modules_so_far():
    """Return how many modules there are, and of those to tell of the number and READY's text.

    The zygote asks before it forks: its children need not look at them again.
    """
    names = Modules(os.devnull, "").foreign()
    return len(sys.modules), len(names), _json(names)[1:-1]


class Instance:
    """Wires the parts together and takes what Go says."""

    def __init__(self, admit, known, sock, writer, reader, pool):
        self._admit, self._known = admit, known
        self.writer, self.pool = writer, pool
        self._reader = reader
        self._entries, self._warnings = [], []
        self._closing = None  # the task that calls it
        self._made = {}  # classes on the way to entrypoints, and what was made of them
        self._told, self._telling = 0, False  # how many modules Go knows of, and whether it is to be told of more
        self._tidying, self._untidy = False, _TIDY  # whether _tidy is to come, and how long after the next cancel
        self._at_end = None  # the agent's lifecycle.Hook to stop
        self._modules = Modules(admit["dir"], admit.get("snapshot"))
        limits = admit.get("limits") or {}
        pool.limit = ((admit.get("concurrency") or {}).get("sync") or 64) + 1
        self.codec = codec = codecs.choose()
        self.answers = answers = Answers(writer, limits.get("result_bytes") or 10 << 20)
        self._streams = Streams(codec, writer, answers, reader)
        self.loop = Loop(codec, writer, answers, self._streams)
        self._threads = Threads(codec, writer, answers, pool, self.loop.finish, self._streams)
        self.loop.on_thread = self._threads.pump
        if not admit.get("debug_port"):  # a breakpoint holds up the loop, too
            self.loop.watch = self._watch
        bridge.use(lambda *order: self.loop.soon(*order), self.loop.started)
        self._logs = Logs(writer, reader, answers, limits.get("log_line_bytes") or 16384)
        reader.on_quiet = self._logs.report
        children.guard(sock, writer, self._logs)

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
            self._wait_for_debugger()
            ready = self._load()
            self._open()
        except BaseException as error:
            self._fail(error)
        count, inherited, names = self._known
        self._told = self.answers.loaded = len(sys.modules)  # before the first call
        self.answers.on_load = self._tell_later
        names = b", ".join(filter(None, (names, _json(self._modules.foreign(count))[1:-1])))
        ready["inherited"] = inherited
        self.writer.frame(wire.READY, 0, b'{"modules": [' + names + b"], " + _json(ready)[1:])
        self.writer.flush()
        self.loop.run()

    def _tell_later(self):
        """Have Go told of what calls load, soon: the next zygote shall have it."""
        if not self._telling:
            self._telling = True
            self.loop.later(_LATER, self._tell_modules)

    def _tell_modules(self):
        self._telling = False
        known, self._told = self._told, len(sys.modules)
        names = self._modules.foreign(known)
        if names:
            self.writer.frame(wire.MODULES, 0, _json(names))
            self.writer.flush()

    def _settle(self):
        """Become the process that ADMIT describes."""
        admit = self._admit
        for name in admit.get("unset") or ():
            os.environ.pop(name, None)
        for name, value in (admit.get("env") or {}).items():
            os.environ[name] = value
        if admit.get("data_dir"):
            os.environ.setdefault("RUNAGENT_DATA_DIR", admit["data_dir"])
        time.tzset()
        self._enter_folder()
        signals.ignore_interrupts()
        signals.delegate(lambda fn: self.loop.soon(fn))
        children.adopt_orphans()
        self._logs.install()

    def _enter_folder(self):
        """Make the agent's folder the working directory, or another where it is gone: code comes from the snapshot."""
        try:
            os.chdir(self._admit["dir"])
        except OSError as error:
            if not self._admit.get("snapshot"):
                raise
            os.chdir(self._admit.get("data_dir") or "/")
            text = "the agent's folder can't be entered (%s): the working directory is %s, the code is the last that was read"
            self._warnings.append(text % (error, os.getcwd()))

    def _wait_for_debugger(self):
        """Let the author's debugger attach before any of their code runs."""
        port = self._admit.get("debug_port")
        if not port:
            return
        from . import debug

        try:
            debug.wait(port, lambda text: self._tell(text, None))
        except debug.Refused as error:
            self._refuse({"type": "", "message": str(error), "traceback": "", "file": "", "line": 0})

    def _load(self):
        """Import the agent's files and return what READY says."""
        began = time.perf_counter()
        self._modules.install()
        self._modules.check(self._admit.get("edited") or (), self._admit.get("before"))
        described = [self._resolve(given) for given in self._admit["entrypoints"]]
        adapters.watch()
        return {
            "entrypoints": described,
            "python": "%d.%d.%d" % sys.version_info[:3],
            "codec": self.codec.name,
            "import_ms": int((time.perf_counter() - began) * 1000),
            "warnings": self._warnings,
        }

    def _watch(self, loop):
        """Return what tells of user code that holds up the loop."""
        from .stalls import Stalls  # the first async call pays for it

        return Stalls(loop, self._modules.owns, self._tell_stall)

    def _tell_stall(self, text, task):
        calls = (call for call in tuple(self.answers.active.values()) if call.task is task)
        self._tell(text, next(calls, None))

    def _tell(self, text, call):
        self._logs.line(SHIM, 30, text, call)
        self.writer.flush()

    def _open(self):
        """Do what the manifest's lifecycle says about a start."""
        given = self._admit.get("lifecycle")
        if not given:
            return
        from .lifecycle import Hook  # and asyncio with it

        hooks = {when: Hook(when, given[when], self._modules, self._made) for when in given}
        if "start" in hooks:
            self.loop.started().run_until_complete(hooks["start"].call(self._fail))
        self._at_end = hooks.get("stop")

    def _resolve(self, given):
        """Add one entrypoint and return how READY describes it."""
        tag, file, path = given["tag"], given["file"], given["module"]
        wanted = adapters.Wanted(entrypoints.streams(tag, given.get("type")), given.get("type") or "")
        adapted = entrypoints.resolve(self._modules.load(file), path, file, self._made, wanted)
        fn, binding = adapted.fn, adapted.binding
        kind = entrypoints.kind(fn, given.get("type"), tag, file, adapted.chosen)
        entry = Entry(tag, file, path, kind, fn, lambda: Binder(fn, tag, binding))
        self._place(entry, adapted.on_loop)
        self._entries.append(entry)
        about = {"tag": tag, "type": kind, "streams": entry.streams, "file": file, "module": path}
        if not self._admit.get("described"):
            about.update(schema.describe(fn, binding))
        return about

    def _place(self, entry, on_loop):
        """Decide where the entrypoint's calls are served."""
        is_async = on_loop or entrypoints.returns_async(entry.fn)
        if is_async or entry.kind == "batch":
            importlib.import_module("asyncio")  # READY tells of it, and the next zygote has it
        if entry.kind == "batch":
            entry.batcher = Batcher(entry, is_async, self._admit.get("batch") or {}, self)
            entry.submit = entry.batcher.submit
        elif is_async:
            entry.submit = self.loop.submit
        else:
            entry.submit = self._threads.submit
            entry.inline = True

    def _begin(self, number, payload):
        call = Call(number, payload)
        call.entry = entry = self._entries[call.index]
        self.answers.active[number] = call
        if entry.inline:
            call.began = call.arrived
            return call
        entry.submit(call)
        return None

    def _credit(self, number, payload):
        call = self.answers.active.get(number)
        if call is not None:
            streams.credit(call, *_CREDIT.unpack(payload))

    def _cancel(self, number, payload):
        call = self.answers.active.get(number)
        if call is None:
            return
        call.cancel = payload[0] if payload else 1
        if not self._tidying:
            self._tidying = True
            self.loop.later(self._untidy, self._tidy)
        if call.entry.batcher is not None:
            call.entry.batcher.cancel(call)
            return
        self.loop.cancel(call)
        streams.wake(call)
        if call.worker is None:
            connections.cut(call)  # of threads that the call's task has started
            return
        if call.entry.streams:
            # It is closed between two items; only if none comes it is interrupted.
            self.loop.later(_PATIENCE, self._interrupt, call)
        else:
            self._interrupt(call)

    def _tidy(self):
        """Collect what canceled calls have left.

        An exception and the frames that it came through hold each other, and with them
        what the call had open, such as the connection to a model that still sends. In an
        instance that does nothing else nobody would collect them.
        """
        began = time.perf_counter()
        if gc.isenabled():
            gc.collect()
        self._tidying, self._untidy = False, max(_TIDY, (time.perf_counter() - began) / _TIDY_PART)

    def _interrupt(self, call):
        call.worker.strike(call)
        connections.cut(call)

    def _ping(self, _, payload):
        self.writer.frame(wire.PONG, 0, payload)

    def _stop(self, *_):
        self.answers.idle = self._leave_soon
        if not self.answers.active:
            self._leave_soon()

    def _leave_soon(self):
        self.loop.soon(self._close)

    def _close(self):
        """Do what the manifest's lifecycle says about an end, once, then end."""
        at_end, self._at_end = self._at_end, None
        if at_end is not None:
            self._closing = self.loop.started().create_task(self._close_with(at_end))
        elif self._closing is None:
            self._leave()

    async def _close_with(self, at_end):
        try:
            await at_end.call(self._give_up)
        except BaseException as error:
            self._tell_why(error)
        self._leave()

    def _give_up(self, error):
        self._tell_why(error)
        self.writer.finish()
        os._exit(0)

    def _tell_why(self, error):
        print("runagent: the agent did not stop well\n" + faults.text(error), file=sys.stderr, flush=True)

    def _leave(self):
        """End as Python does, with status 0. Called on the main thread, when no call is left.

        Go bounds how long the threads of user code that are no daemons may take.
        """
        awaited = workers.awaited()
        if awaited:
            notice = threading.Timer(_PATIENCE, self._tell_of, (awaited,))
            notice.daemon = True
            notice.start()
            threading._shutdown()
        atexit._run_exitfuncs()
        if self._telling:
            self._tell_modules()
        self.writer.finish()
        os._exit(0)

    def _tell_of(self, threads):
        names = [thread.name for thread in threads if thread.is_alive()]
        if names:  # else atexit's functions take their time
            self._logs.line(SHIM, 20, "waiting for threads that are no daemons: " + ", ".join(names), None)
            self.writer.flush()

    def _fail(self, error):
        """Say why the agent can't be served, and exit."""
        file, line = faults.place(error, self._modules.owns)
        self._refuse(dict(faults.describe(error), file=file, line=line))

    def _refuse(self, report):
        self.writer.frame(wire.FAILED, 0, _json(report))
        self.writer.finish()
        os._exit(1)


def _json(value):
    return json.dumps(value).encode()
