"""Prints from everywhere: each line belongs to the call that caused it."""

import asyncio
import logging
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

log = logging.getLogger("agent")
pool = ThreadPoolExecutor(max_workers=2)


def speak(name: str) -> dict:
    """Print the name on stdout, stderr and through logging."""
    print(f"{name} stdout")
    print(f"{name} stderr", file=sys.stderr)
    log.warning("%s logging", name)
    print(f"{name} no newline", end="")
    return {"said": name}


def thread(name: str) -> dict:
    """Print from a thread, a timer, and a thread of a thread."""
    inner = threading.Thread(target=print, args=(f"{name} inner thread",))

    def run():
        print(f"{name} thread")
        inner.start()
        inner.join()

    outer = threading.Thread(target=run)
    timer = threading.Timer(0, print, args=(f"{name} timer",))
    for each in (outer, timer):
        each.start()
    for each in (outer, timer):
        each.join()
    return {"said": name}


def executor(name: str) -> dict:
    """Print from a pool whose threads serve many calls."""
    list(pool.map(print, [f"{name} executor {n}" for n in range(4)]))
    return {"said": name}


async def to_thread(name: str) -> dict:
    """Print from a coroutine and from the loop's own executor."""
    print(f"{name} coroutine")
    await asyncio.get_running_loop().run_in_executor(None, print, f"{name} run_in_executor")
    return {"said": name}


def process(name: str) -> dict:
    """Print from a subprocess and by the bare descriptor."""
    subprocess.run([sys.executable, "-c", f"print('{name} subprocess')"], check=True)
    os.write(1, f"{name} descriptor\n".encode())
    return {"said": name}


def late(name: str) -> dict:
    """Leave a thread behind that prints when the next call lets it."""
    gate = threading.Event()
    gates.append(gate)

    def run():
        gate.wait(30)
        print(f"{name} late")

    threading.Thread(target=run, daemon=True).start()
    return {"said": name}


gates = []


def release(name: str = "") -> int:
    """Open the gates of all calls of `late`."""
    opened = len(gates)
    while gates:
        gates.pop().set()
    return opened


def chatter(lines: int = 5000) -> int:
    """Print more lines than the limit of a second."""
    for number in range(lines):
        print(f"line {number}")
    print("x" * 200_000)
    return lines
