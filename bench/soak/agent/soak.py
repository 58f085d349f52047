"""What the soak calls: quick, slow, streaming, talking and failing functions."""

import asyncio
import os
import time


def pid() -> int:
    return os.getpid()


def echo(n: int) -> dict:
    return {"n": n}


def chunks(count: int):
    for index in range(count):
        yield {"i": index}


def slow_chunks(count: int):
    for index in range(count):
        yield {"i": index}
        time.sleep(0.01)


def wait(seconds: float) -> str:
    time.sleep(seconds)
    return "waited"


async def awaits(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "waited"


def talks(lines: int) -> str:
    for index in range(lines):
        print("line", index)
    return "said"


def fails(why: str):
    raise ValueError(why)
