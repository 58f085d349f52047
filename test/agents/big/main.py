"""Results and streams of awkward sizes."""

import itertools

MEBIBYTE = 1 << 20


def fine(message: str = "alive") -> dict:
    """Answer."""
    return {"message": message}


def large(mebibytes: float = 11) -> str:
    """Return a text of this size: 11 MiB is over the limit."""
    return "x" * int(mebibytes * MEBIBYTE)


def quotes(mebibytes: float = 2) -> str:
    """Return what grows eight-fold when it is encoded twice."""
    return '"' * int(mebibytes * MEBIBYTE)


def size(text: str = "", items: list = ()) -> dict:
    """Say how much came in."""
    return {"length": len(text), "items": len(items)}


def empty_stream():
    """Yield nothing."""
    yield from ()


def raise_stream(after: int = 3):
    """Yield a few items, then raise."""
    for index in range(after):
        yield {"index": index}
    raise RuntimeError(f"after {after} chunks")


def unserialisable_stream(after: int = 3):
    """Yield a few items, then one that JSON can't say."""
    for index in range(after):
        yield {"index": index}
    yield {"index": [object()]}


def unserialisable():
    """Return what JSON can't say, two levels down."""
    return {"ok": 1, "inside": [1, {"deeper": object()}]}


def endless_stream(kibibytes: int = 64, note: str = ""):
    """Yield for ever; write to the file `note` when closed."""
    piece = "x" * (kibibytes * 1024)
    try:
        for index in itertools.count():
            yield {"index": index, "piece": piece}
    finally:
        if note:
            with open(note, "w") as out:
                out.write("closed")


def large_stream(mebibytes: int = 1024, kibibytes: int = 64):
    """Yield this many mebibytes in pieces: 1 GiB for a slow reader."""
    piece = "x" * (kibibytes * 1024)
    for _ in range(mebibytes * 1024 // kibibytes):
        yield piece


def large_chunk_stream(mebibytes: float = 11):
    """Yield one good chunk, then one over the limit."""
    yield "small"
    yield "x" * int(mebibytes * MEBIBYTE)


def many_stream(count: int = 100_000):
    """Yield many tiny items."""
    yield from range(count)


def list_stream(count: int = 3) -> list:
    """Return a list where a generator is expected: its items are the chunks."""
    return list(range(count))
