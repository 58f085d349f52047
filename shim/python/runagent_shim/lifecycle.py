"""The manifest's lifecycle: functions called once per instance, on its event loop."""

import asyncio
import inspect
import sys
import threading

from . import entrypoints
from .entrypoints import LoadError

# What is not over this long after its deadline does not yield to the loop.
_GRACE = 0.5


class Hook:
    """The start or stop function of an agent."""

    def __init__(self, when, given, modules, made):
        """given is ADMIT's, modules imports the agent's files, made is as in entrypoints.named.

        Raises LoadError when there is no such function.
        """
        self._name = "lifecycle.%s, %s in %s," % (when, given["module"], given["file"])
        self._seconds = given["timeout_ms"] / 1e3
        module = modules.load(given["file"])
        self._fn = entrypoints.named(module, given["module"], given["file"], made)
        code = getattr(self._fn, "__code__", None)
        self._place = module.__file__, getattr(code, "co_firstlineno", 0)
        if not callable(self._fn):
            raise LoadError("%s is not a function" % self._name, *self._place)
        if inspect.isgeneratorfunction(self._fn) or inspect.isasyncgenfunction(self._fn):
            raise LoadError("%s must be a function or coroutine function, not a generator" % self._name, *self._place)
        try:
            inspect.signature(self._fn).bind()
        except TypeError as error:
            raise LoadError("%s is called without arguments: %s" % (self._name, error), *self._place) from None
        except ValueError:
            pass  # its signature is not known

    async def call(self, on_stuck):
        """Call the function and wait for its end.

        Raises what it raises, and LoadError when it takes too long. One that
        holds up the loop can't be ended: on_stuck(error) is called then, on
        another thread.
        """
        watch = threading.Timer(self._seconds + _GRACE, self._stuck, (on_stuck, threading.get_ident()))
        watch.daemon = True
        watch.start()
        try:
            task = asyncio.ensure_future(self._finish())
            done, _ = await asyncio.wait({task}, timeout=self._seconds)
            if not done:
                task.cancel()
                raise LoadError(self._late(), *self._place)
            ended = task.result()
            if ended is not None:
                raise ended
        finally:
            watch.cancel()

    async def _finish(self):
        """Return what sys.exit() raised, if it was called: raised by a task it would end the loop, too."""
        try:
            value = self._fn()
            if hasattr(value, "__await__"):
                await value
        except (KeyboardInterrupt, SystemExit) as error:
            return error
        return None

    def _stuck(self, on_stuck, ident):
        file, line = self._place
        frame = sys._current_frames().get(ident)
        while frame is not None:
            if frame.f_code.co_filename == file:
                line = frame.f_lineno
                break
            frame = frame.f_back
        on_stuck(LoadError(self._late(), file, line))

    def _late(self):
        return "%s took more than %g s, its timeout" % (self._name, self._seconds)
