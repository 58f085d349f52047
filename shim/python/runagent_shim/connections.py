"""Connections on which a call's threads wait for answers, and how they are cut.

A thread that waits for a socket hears of nothing else. When its call is
canceled, the socket is shut down under it: the server sees that nobody waits,
and the thread goes on. Who makes connections reports them here (the adapter
of httpcore does).
"""

import threading

from .calls import CURRENT
from .workers import Canceled

_lock = threading.Lock()


def hold(connection):
    """Note that the running call waits on connection from now on. Returns its number, None outside of calls.

    connection is an object with cut(number): it ends the wait of that call,
    and does nothing once the connection serves another. Raises Canceled for a
    call that was canceled: what its threads still do must not ask again.
    """
    call = CURRENT.get()
    if call is None:
        return None
    if call.connections is None:
        with _lock:
            if call.connections is None:
                call.connections = []
    if connection not in call.connections:
        call.connections.append(connection)
    if call.cancel:
        raise Canceled
    return call.number


def cut(call):
    """End what the call's threads wait for. Safe for all threads, and more than once."""
    for connection in call.connections or ():
        connection.cut(call.number)
