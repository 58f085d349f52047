"""The zygote: imports what the agent needs once, then forks instances."""

import gc
import os
import socket
import sys
import time
import traceback

gc.disable()  # before the imports, so that the freeze finds few collected pages

import array  # noqa: E402
import importlib  # noqa: E402
import json  # noqa: E402
import select  # noqa: E402

from . import adapters, bind, codec, heap, instance, schema, signals  # noqa: E402
from .imports import Importer  # noqa: E402

_PACKET = 65536
_MAX_FDS = 8
_WARM = 2


def serve(fd):
    """Be the zygote whose control socket is fd, until it is closed."""
    control = socket.socket(fileno=fd)
    os.set_inheritable(fd, False)
    signals.ignore_interrupts()
    try:
        Zygote(control).run()
    except ConnectionError:
        pass  # the same end, in the middle of something
    os._exit(0)


class Zygote:
    """Answers the control socket and waits for the children."""

    def __init__(self, control):
        self._control = control
        self._children = {}  # pidfd -> pid
        self._known = (0, 0, b"")
        self._poll = select.poll()
        self._poll.register(control.fileno(), select.POLLIN)

    def run(self):
        """Serve until the end of the control socket."""
        while True:
            for fd, _ in self._poll.poll():
                if fd in self._children:
                    self._reap(fd)
                elif not self._take():
                    return

    def _take(self):
        """Take one packet; False at the end."""
        data, fds = self._receive()
        if not data:
            return False
        order = json.loads(data)
        if order["op"] == "import":
            self._import(order, fds)
        elif order["op"] == "fork":
            self._fork(order["token"], fds)
        return True

    def _receive(self):
        space = socket.CMSG_SPACE(_MAX_FDS * 4)
        data, ancillary, _, _ = self._control.recvmsg(_PACKET, space, socket.MSG_CMSG_CLOEXEC)
        fds = array.array("i")
        for level, kind, body in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(body[: len(body) - len(body) % fds.itemsize])
        return data, list(fds)

    def _send(self, packet, *fds):
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self._control.sendmsg([json.dumps(packet).encode()], rights)

    def _import(self, order, fds):
        began = time.perf_counter()
        modules = order.get("modules")
        if modules is None:
            with open(fds[0], "rb") as file:
                modules = json.load(file)
        importer = Importer()
        importer.run(modules)
        warm_up()
        self._known = instance.modules_so_far()
        gc.freeze()
        heap.fill_gaps()
        took = int((time.perf_counter() - began) * 1000)
        ready = {"op": "ready", "imported": importer.imported, "excluded": importer.excluded, "import_ms": took}
        while len(json.dumps(ready)) > _PACKET and ready["excluded"]:
            # What pollutes is what Go must know.
            ready["excluded"].sort(key=lambda one: not one["polluted"])
            ready["excluded"].pop()
        self._send(ready)

    def _fork(self, token, fds):
        try:
            pid = os.fork()
        except OSError as error:
            self._send({"op": "fork_failed", "token": token, "error": str(error)})
        else:
            if pid == 0:
                try:
                    self._become(token, fds)
                except BaseException:
                    traceback.print_exc()
                finally:
                    os._exit(70)
            pidfd = os.pidfd_open(pid)
            self._children[pidfd] = pid
            self._poll.register(pidfd, select.POLLIN)
            self._send({"op": "forked", "token": token, "pid": pid}, pidfd)
        for fd in fds:
            os.close(fd)

    def _become(self, token, fds):
        """In the child: let go of all that is the zygote's, and be an instance."""
        sock, out, err = fds
        self._control.close()
        for pidfd in self._children:
            os.close(pidfd)
        null = os.open(os.devnull, os.O_RDONLY)
        for fd, standard in ((null, 0), (out, 1), (err, 2)):
            os.dup2(fd, standard)
            os.close(fd)
        signals.reset()
        gc.enable()
        _reseed()
        instance.serve(sock, token, self._known)

    def _reap(self, pidfd):
        pid = self._children.pop(pidfd)
        self._poll.unregister(pidfd)
        os.close(pidfd)
        _, status = os.waitpid(pid, 0)
        self._send({"op": "exit", "pid": pid, "status": status})


def warm_up():
    """Do once what every child would do: what it leaves in memory is shared then."""
    # Often enough for the interpreter to have specialised the code.
    asyncio = sys.modules.get("asyncio")
    for _ in range(_WARM if asyncio is not None else 0):
        asyncio.new_event_loop().close()
    for example in (_example, _example_stream) * _WARM:
        bind.Binder(example, "warm").bind(None, {"text": ""})
        json.dumps(schema.describe(example))
    codec.choose().loads(b"{}")
    try:
        importlib.import_module("runagent_shim.absent")  # fills the caches of sys.path
    except ImportError:
        pass  # to describe it would load a quarter of the standard library
    ssl = sys.modules.get("ssl")
    if ssl is not None:
        ssl.RAND_bytes(1)
    adapters.watch()
    if sys.version_info < (3, 12):  # from there on names are immortal
        # A look-up on a type counts the name that it finds and the one that it displaces: 100 KiB of each child's.
        sys._clear_type_cache()


def _example(text: str, count: int = 1, **more) -> dict:
    """Stand for an agent's function."""


def _example_stream(text):
    yield text


def _reseed():
    """Give the child randomness of its own where a fork would copy it: random itself sees to that."""
    numpy = sys.modules.get("numpy.random")
    if numpy is not None:
        numpy.seed()
    ssl = sys.modules.get("ssl")
    if ssl is not None:
        ssl.RAND_add(os.urandom(32), 0.0)
