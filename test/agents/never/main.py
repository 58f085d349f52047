"""Calls that never return by themselves."""

import asyncio
import ctypes
import os
import re
import threading
import time


def fine(message: str = "alive") -> dict:
    """Answer, and say which process did."""
    return {"message": message, "pid": os.getpid()}


def loop(x: int = 0):
    """Run bytecode for ever."""
    while True:
        pass


def sleep(seconds: float = 1e9):
    """Wait in C with the GIL released."""
    time.sleep(seconds)


def stubborn(x: int = 0):
    """Swallow every exception, for ever."""
    while True:
        try:
            time.sleep(0.01)
        except BaseException:  # on purpose: the worst that authors write
            continue


def gil(seconds: int = 1_000_000_000):
    """Wait in C with the GIL held: PyDLL does not release it."""
    ctypes.PyDLL(None).sleep(ctypes.c_uint(seconds))


def regex(length: int = 60):
    """Backtrack for ages inside one C call."""
    return bool(re.match(r"(a+)+$", "a" * length + "b"))


def lock(x: int = 0):
    """Wait for a lock that nobody releases."""
    gate = threading.Lock()
    gate.acquire()
    gate.acquire()


async def loop_async(x: int = 0):
    """Block the event loop itself."""
    while True:
        pass


async def wait(x: int = 0):
    """Wait on the event loop without blocking it."""
    await asyncio.Event().wait()


def loop_stream(after: int = 1):
    """Yield a little, then never again."""
    for index in range(after):
        yield index
    while True:
        pass


def slow(seconds: float = 0.2, note: str = "", line: str = "") -> dict:
    """Return, but take a while; add a line to the file `note` first."""
    if note:
        with open(note, "a") as out:
            out.write(line + "\n")
    time.sleep(seconds)
    return {"slept": seconds, "pid": os.getpid()}


def slow_stream(count: int = 5, seconds: float = 0.1, note: str = ""):
    """Yield slowly; write to the file `note` when closed before the end."""
    done = False
    try:
        for index in range(count):
            yield index
            time.sleep(seconds)
        done = True
    finally:
        if note and not done:
            with open(note, "w") as out:
                out.write("closed")
