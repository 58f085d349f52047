"""Long-lived threads for user code, last used first, and how one is stopped."""

import ctypes
import os
import sys
import threading
import traceback
from collections import deque

from . import children

_set_async_exc = ctypes.pythonapi.PyThreadState_SetAsyncExc
_set_async_exc.argtypes = (ctypes.c_ulong, ctypes.py_object)
_set_async_exc.restype = ctypes.c_int

# The original: threads of ours carry no call of their creator.
_start = threading.Thread.start

# Idle threads beyond the last few end after this long.
_KEEP, _KEEP_SECONDS = 4, 15.0
_NAME = "runagent"


def start_daemon(fn):
    """Run fn() on a thread of the shim's own."""
    _start(threading.Thread(target=fn, name=_NAME, daemon=True))


def awaited():
    """Return the threads of user code that the end of Python waits for."""
    ours = (_NAME, threading.current_thread().name)
    return [thread for thread in threading.enumerate() if not thread.daemon and thread.name not in ours]


class Canceled(BaseException):
    """Raised in a thread whose call was canceled or ran out of time.

    Not an Exception, so that `except Exception` in a loop does not swallow it.
    """


class Worker:
    """One thread. call is the call whose user code it executes just now, if any."""

    __slots__ = ("wake", "job", "ident", "call", "lock", "struck", "thread")

    def __init__(self):
        self.wake = threading.Lock()
        self.wake.acquire()
        self.lock = threading.Lock()
        self.job = self.ident = self.call = self.thread = None
        self.struck = False

    def strike(self, call):
        """Raise Canceled in the thread if it is still executing call."""
        with self.lock:
            if self.call is not call or self.struck:
                return
            self.struck = True
            _set_async_exc(self.ident, Canceled)

    def settle(self):
        """Make sure that no Canceled is on its way any more. Called by the thread itself."""
        if self.struck:
            _set_async_exc(self.ident, None)


class Pool:
    """Threads made on demand up to limit; jobs beyond it wait in order."""

    def __init__(self, limit):
        self.limit = limit
        self._lock = threading.Lock()
        # The lock guards these.
        self._idle = []
        self._count = 0
        self._backlog = deque()

    def submit(self, job):
        """Have job(worker) run on a thread, later if all are taken."""
        with self._lock:
            if self._busy() >= self.limit:
                self._backlog.append(job)
                return
            worker = self._take()
        self._launch(worker, job)

    def submit_now(self, job):
        """Have job(worker) run at once, whatever the limit."""
        with self._lock:
            worker = self._take()
        self._launch(worker, job)

    def threads(self):
        """Return how many threads there are."""
        return self._count

    def _busy(self):
        return self._count - len(self._idle)

    def _take(self):
        if self._idle:
            return self._idle.pop()
        self._count += 1
        return Worker()

    def _launch(self, worker, job):
        worker.job = job
        if worker.thread is not None:
            worker.wake.release()
            return
        worker.thread = threading.Thread(target=self._run, args=(worker,), name=_NAME, daemon=True)
        _start(worker.thread)

    def _run(self, worker):
        worker.ident = threading.get_ident()
        # What user code starts from here inherits it: no daemons, as from its main
        # thread elsewhere. The interpreter has asked already: it won't await ours.
        threading.current_thread()._daemonic = False
        try:
            while True:
                worker.job(worker)
                worker.job = None
                if worker.struck or not self._next(worker):
                    return
        except BaseException:
            # A fault of the shim, not of user code: calls could hang for ever.
            traceback.print_exc(file=sys.__stderr__)
            os._exit(70)
        finally:
            with self._lock:
                self._count -= 1
                waits = self._backlog and self._busy() < self.limit
                job = self._backlog.popleft() if waits else None
            if job is not None:
                self.submit_now(job)

    def _next(self, worker):
        """Wait for the worker's next job; False when it should end."""
        with self._lock:
            if self._backlog and self._busy() <= self.limit:
                worker.job = self._backlog.popleft()
                return True
            self._idle.append(worker)
        while not worker.wake.acquire(True, _KEEP_SECONDS):
            with self._lock:
                if worker in self._idle and len(self._idle) > _KEEP:
                    self._idle.remove(worker)
                    return False
        return True


def execute(worker, call, run, fn, *args):
    """Return run(fn, *args), during which alone a cancel of call may strike.

    When it returns or raises, no Canceled is on its way to this thread.
    """
    worker.call = call
    try:
        try:
            return run(fn, *args)
        finally:
            if children.forked:
                children.leave()
            # From here on the thread is out of reach of a cancel.
            with worker.lock:
                worker.call = None
            if worker.struck:
                worker.settle()
    except Canceled:
        worker.call = None
        raise
