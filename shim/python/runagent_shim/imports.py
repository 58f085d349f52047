"""The zygote's imports, and which of them must not have happened before a fork.

A thread, a socket or an epoll descriptor does not survive a fork in any useful
way. A module that leaves one behind is found while it is executed, innermost
first; it and all that were importing it are reported, and Go starts a new
zygote without them.
"""

import _thread
import os
import sys
import time
from importlib.machinery import ExtensionFileLoader, SourceFileLoader

_FDS = "/proc/self/fd"
# A thread that is about to end counts only if it is still there after this.
_SETTLE_SECONDS = 0.05


class Importer:
    """Imports modules one by one and watches what they leave behind."""

    def __init__(self):
        self.imported = 0
        self.excluded = []  # {"module", "why", "polluted"}
        self._stack = []  # names of the modules being executed, outermost first
        self._threads = _thread._count()
        self._numbers, self._fds = _numbers(), _descriptors()

    def run(self, names):
        """Import all of names; none that fails keeps the others from it."""
        restore = [(kind, kind.exec_module) for kind in (SourceFileLoader, ExtensionFileLoader)]
        for kind, execute in restore:
            kind.exec_module = self._watched(execute)
        try:
            # A library imports its compiled half itself. That half first, as by name, and
            # asyncio has two: of all tasks it knows none.
            for name in sorted(names, key=lambda name: name.startswith("_")):
                if name not in sys.modules:
                    self._import(name)
        finally:
            for kind, execute in restore:
                kind.exec_module = execute
        self.imported = sum(name in sys.modules for name in names)

    def _import(self, name):
        self._stack.append(name)
        try:
            __import__(name)
        except BaseException as error:
            self._exclude(name, "%s: %s" % (type(error).__name__, error), False)
        else:
            self._check(closely=True)
        finally:
            self._stack.clear()

    def _watched(self, execute):
        def exec_module(loader, module):
            self._stack.append(module.__name__)
            try:
                execute(loader, module)
                self._check()
            finally:
                if self._stack:
                    self._stack.pop()

        return exec_module

    def _check(self, closely=False):
        """Blame the modules being executed for what there is now and was not before.

        What descriptors stand for is asked only where there are others, or closely: to
        ask after each of a thousand modules took a tenth of all that they take.
        """
        why = None
        if _thread._count() > self._threads and not self._settles():
            why = "leaves %d threads running" % (_thread._count() - self._threads)
            self._threads = _thread._count()
        numbers = _numbers()
        if closely or numbers != self._numbers:
            fds = _descriptors()
            left = list(_unfit(fds - self._fds))
            self._numbers, self._fds = numbers, fds
        else:
            left = ()
        if left:
            why = "leaves %s open" % ", ".join(left)
        if why is None:
            return
        culprit = self._stack[-1]
        for name in dict.fromkeys(self._stack):
            self._exclude(name, why if name == culprit else "imports %s, which %s" % (culprit, why), True)

    def _settles(self):
        end = time.monotonic() + _SETTLE_SECONDS
        while time.monotonic() < end:
            time.sleep(0.002)
            if _thread._count() <= self._threads:
                return True
        return False

    def _exclude(self, name, why, polluted):
        if not any(one["module"] == name for one in self.excluded):
            self.excluded.append({"module": name, "why": why[:500], "polluted": polluted})


def _numbers():
    """Return the numbers of all descriptors that are open, and of the one that lists them."""
    try:
        return os.listdir(_FDS)
    except OSError:
        return []


def _descriptors():
    """Return {(descriptor, what it is)} of all that are open."""
    found = set()
    try:
        for fd in os.listdir(_FDS):
            try:
                found.add((fd, os.readlink("%s/%s" % (_FDS, fd))))
            except OSError:
                pass  # the one that listed the others
    except OSError:
        pass
    return found


def _unfit(descriptors):
    """Return words for those that don't survive a fork."""
    for _, target in sorted(descriptors):
        if target.startswith("socket:"):
            yield "a socket"
        elif "eventpoll" in target:
            yield "an epoll descriptor"
