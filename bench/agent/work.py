"""What every row of the benchmark runs: the same functions, from this one file."""

import asyncio
import time


def echo(message: str, n: int, tags: list) -> dict:
    """A small dict in, a small dict out."""
    return {"message": message, "n": n + 1, "tags": tags, "ok": True}


async def echo_async(message: str, n: int, tags: list) -> dict:
    return {"message": message, "n": n + 1, "tags": tags, "ok": True}


def stream(message: str, count: int):
    """Yield count chunks as fast as they are taken."""
    for index in range(count):
        yield {"i": index, "text": message}


async def stream_async(message: str, count: int):
    for index in range(count):
        yield {"i": index, "text": message}


def slow_stream(message: str, count: int):
    """Yield the first chunk at once and the others every 20 ms, as a model does."""
    for index in range(count):
        if index:
            time.sleep(0.02)
        yield {"i": index, "text": message}


def big(data: str) -> dict:
    """A large value in, the same out."""
    return {"data": data}


def sleep(seconds: float) -> dict:
    """Wait as a blocking client of a model does."""
    time.sleep(seconds)
    return {"slept": seconds}


async def asleep(seconds: float) -> dict:
    """Wait as an asynchronous client of a model does."""
    await asyncio.sleep(seconds)
    return {"slept": seconds}


def maybe(message: str, seconds: float) -> dict:
    """Return at once, or wait first."""
    if seconds:
        time.sleep(seconds)
    return {"message": message, "slept": seconds}


def cpu(rounds: int) -> dict:
    """Keep the interpreter busy."""
    total = 0
    for index in range(rounds):
        total = (total * 31 + index) % 1000003
    return {"total": total}


def endless(path: str, wait: float):
    """Yield for ever; say in the file at path when the generator was closed."""
    index = 0
    try:
        while True:
            yield {"i": index}
            index += 1
            time.sleep(wait)
    finally:
        with open(path, "w") as file:
            file.write(repr(time.time()))


FUNCTIONS = {
    "echo": echo,
    "stream": stream,
    "slow_stream": slow_stream,
    "big": big,
    "sleep": sleep,
    "asleep": asleep,
    "maybe": maybe,
    "cpu": cpu,
    "endless": endless,
}
