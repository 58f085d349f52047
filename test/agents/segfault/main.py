"""Every way to die, and two that only look like it."""

import ctypes
import os
import signal
import sys


def fine(message: str = "alive") -> dict:
    """Answer, and say which process did."""
    return {"message": message, "pid": os.getpid()}


def null(x: int = 0):
    """Read address 0."""
    ctypes.string_at(0)


def leave(code: int = 3):
    """Leave without a word to the interpreter."""
    os._exit(code)


def abort(x: int = 0):
    """Die as C's abort() does."""
    os.abort()


def kill(number: int = signal.SIGKILL):
    """Send this process a signal."""
    os.kill(os.getpid(), number)


def memory(mebibytes: int = 1 << 20) -> int:
    """Take memory, a mebibyte at a time, until it ends or the limit is reached."""
    taken = []
    for _ in range(mebibytes):
        taken.append(bytearray(1 << 20))
    return len(taken)


def recurse(depth: int = 0) -> int:
    """Recurse without end: RecursionError, not a crash."""
    return recurse(depth + 1)


def leave_stream(after: int = 3):
    """Yield a few items, then leave."""
    for index in range(after):
        yield index
    os._exit(3)


def sys_exit(code: int = 1):
    """Raise SystemExit: the call fails, the instance lives."""
    sys.exit(code)


def interrupt(x: int = 0):
    """Raise KeyboardInterrupt: the call fails, the instance lives."""
    raise KeyboardInterrupt


async def sys_exit_async(code: int = 1):
    """Raise SystemExit on the event loop."""
    sys.exit(code)


async def interrupt_async(x: int = 0):
    """Raise KeyboardInterrupt on the event loop."""
    raise KeyboardInterrupt


def sys_exit_stream(code: int = 1):
    """Yield once, then raise SystemExit."""
    yield "first"
    sys.exit(code)
