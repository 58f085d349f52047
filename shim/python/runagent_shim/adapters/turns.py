"""One call at a time for objects that keep state per run and can't be copied."""

import asyncio
import functools
import inspect
import threading
from collections import deque

_POLL_SECONDS = 0.05  # a thread that waits in C hears of no cancel
_turns = {}  # id(owner) -> (owner, Turn)


def turn_of(owner):
    """Return the one Turn of an object, whichever of its methods are served."""
    return _turns.setdefault(id(owner), (owner, Turn()))[1]


def in_turn(owner, fn):
    """Return fn, a plain function or coroutine function, that waits for its turn at owner."""
    turn = turn_of(owner)
    if inspect.iscoroutinefunction(fn):

        @functools.wraps(fn)
        async def waits(*args, **kwargs):
            async with turn:
                return await fn(*args, **kwargs)

        return waits

    @functools.wraps(fn)
    def waits_on_thread(*args, **kwargs):
        with turn:
            return fn(*args, **kwargs)

    return waits_on_thread


class Turn:
    """A lock for threads and tasks alike, first come first served.

    Use it by `with` on threads and by `async with` in tasks. Who is canceled
    while waiting loses its place and holds up nobody.
    """

    def __init__(self):
        self._guard = threading.Lock()
        # The guard guards these.
        self._holder = None
        self._waiting = deque()

    def __enter__(self):
        gate = threading.Lock()
        gate.acquire()
        ticket = _Ticket(gate.release)
        try:
            if not self._ask(ticket):
                while not gate.acquire(True, _POLL_SECONDS):
                    pass
        except BaseException:
            self._leave(ticket)
            raise

    def __exit__(self, *_):
        self._leave(self._holder)

    async def __aenter__(self):
        loop = asyncio.get_running_loop()
        event = asyncio.Event()
        ticket = _Ticket(lambda: loop.call_soon_threadsafe(event.set))
        try:
            if not self._ask(ticket):
                await event.wait()
        except BaseException:
            self._leave(ticket)
            raise

    async def __aexit__(self, *_):
        self._leave(self._holder)

    def _ask(self, ticket):
        with self._guard:
            if self._holder is None:
                self._holder = ticket
                return True
            self._waiting.append(ticket)
            return False

    def _leave(self, ticket):
        with self._guard:
            if self._holder is not ticket:
                if ticket in self._waiting:
                    self._waiting.remove(ticket)
                return
            self._holder = following = self._waiting.popleft() if self._waiting else None
        if following is not None:
            following.wake()


class _Ticket:
    __slots__ = ("wake",)

    def __init__(self, wake):
        self.wake = wake
