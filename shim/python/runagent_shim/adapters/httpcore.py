"""httpcore, below httpx and with it most clients of models: cuts what a canceled call waits for.

Only blocking connections: a task of the event loop is canceled as it is.
"""

import functools
import importlib
import socket
import sys
import weakref

from .. import connections
from .adapter import Adapter

# The clients, and what each loads below at its first use: two packages of one
# kind, the second is the one that newer clients of models bring.
_HOMES = (("httpx", "httpcore._sync.http11"), ("httpx2", "httpcore2._sync.http11"))


class HTTPCore(Adapter):
    """Knows the connection that one request after the other is sent on."""

    def watch(self):
        """Note which call waits on a connection. Returns False while one of the clients may still come."""
        for client, home in _HOMES:
            if client in sys.modules:
                kind = importlib.import_module(home).HTTP11Connection
                if not hasattr(kind.handle_request, "__wrapped__"):
                    kind.handle_request = _held(kind.handle_request)
        return all(client in sys.modules for client, _ in _HOMES)


ADAPTER = HTTPCore()


class _Wait:
    """A connection, and the number of the call that waits on it."""

    def __init__(self, connection):
        self._connection = weakref.ref(connection)
        self.number = None

    def cut(self, number):
        """Shut the socket down if that call waits on it."""
        connection = self._connection()
        if connection is None or self.number != number or connection.is_idle() or connection.is_closed():
            return
        sock = connection._network_stream.get_extra_info("socket")
        if sock is not None:
            try:
                # By the plain method, also below TLS: it must not wait for the peer's goodbye.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
            except OSError:
                pass  # closed just now


def _held(handle_request):
    @functools.wraps(handle_request)
    def handle(connection, request):
        wait = connection.__dict__.get("_runagent_wait")
        if wait is None:
            wait = connection._runagent_wait = _Wait(connection)
        wait.number = None
        wait.number = connections.hold(wait)
        return handle_request(connection, request)

    return handle
