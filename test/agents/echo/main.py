"""The plainest agent: one entrypoint of each type, no requirements."""

import asyncio


def echo(message: str, times: int = 1) -> dict:
    """Return the message, repeated."""
    return {"message": message, "times": times, "echo": " ".join([message] * times)}


def echo_stream(message: str, times: int = 3):
    """Yield the message piece by piece."""
    for index in range(times):
        yield {"index": index, "message": message}


def fail(message: str = "no luck"):
    """Raise what an author's bug raises."""
    raise ValueError(message)


def fail_stream(message: str = "no luck", after: int = 3):
    """Yield a few items, then raise."""
    for index in range(after):
        yield index
    raise ValueError(message)


def text(message: str) -> str:
    """Return a bare string."""
    return message


def whole(input: dict) -> dict:
    """Return the keywords as they came: the one parameter takes them all."""
    return {"got": input}


async def echo_async(message: str) -> dict:
    """Await, then return the message."""
    await asyncio.sleep(0)
    return {"message": message}


def echo_batch(items: list) -> list:
    """Return one result per item, and how many came together."""
    return [{"item": item, "together": len(items)} for item in items]
