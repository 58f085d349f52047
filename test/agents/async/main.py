"""Coroutines that meet on one event loop."""

import asyncio
import contextvars
import threading

waiting = {}
caller = contextvars.ContextVar("caller", default="nobody")


async def meet(name: str, party: int = 2) -> dict:
    """Return once `party` callers with this name are here, at the same time."""
    arrived = waiting.setdefault(name, asyncio.Event())
    arrived.count = getattr(arrived, "count", 0) + 1
    place = arrived.count
    if place >= party:
        waiting.pop(name, None)
        arrived.set()
    await arrived.wait()
    return {"place": place, "thread": threading.current_thread().name}


async def count_stream(upto: int = 3):
    """Count, giving the loop a turn before each number."""
    for number in range(upto):
        await asyncio.sleep(0)
        yield number


async def forever(note: str = "") -> None:
    """Wait until canceled; write what happened to the file `note`."""
    if note:
        with open(note, "w") as out:
            out.write("begun")
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        if note:
            with open(note, "w") as out:
                out.write("canceled")
        raise


async def forever_stream(note: str = ""):
    """Yield one item, then wait; write to the file `note` when closed."""
    try:
        yield "first"
        await asyncio.Event().wait()
    finally:
        if note:
            with open(note, "w") as out:
                out.write("closed")


async def background(name: str) -> dict:
    """Keep a context variable apart from those of other calls."""
    caller.set(name)
    task = asyncio.create_task(asyncio.sleep(0, result="done"))
    return {"task": await task, "caller": caller.get()}


def plain_awaitable(number: int):
    """A plain function that returns an awaitable."""
    return asyncio.sleep(0, result=number + 1)
