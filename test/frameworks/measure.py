"""Measures what an adapter adds to a call of a sample: measure.py SHIM TAG INPUT, in the sample's folder.

Prints {"us": …}, the microseconds of a call: those of binding; those by which
encoding the framework's objects takes longer than plain data of the same, both
right after a call, and by the codec that an instance chooses; those of the
adapter's own code around the framework's, and of what that calls of Python and
the shim, by a profiler whose own time, found in the same run, is taken off;
and those of telling the tokens. Each is a median. What the framework does
itself is not counted, also where the adapter asks for it.

The calls come in blocks of one kind: each is bound, made, encoded and told, as
when it is served. What comes after another kind of call finds the processor's
caches full of something else, of the profiler's records above all.
"""

import asyncio
import cProfile
import inspect
import json
import os
import statistics
import sys
import time

shim, tag, text = sys.argv[1:4]
sys.path[:0] = [shim, os.getcwd()]

import main as sample
from runagent_shim import adapters, bind, calls, codec, encode, entrypoints, usage

ROUNDS, BLOCK, WARM = 5, 16, 4  # each kind has a block in each round, the first calls of which are not counted
ADAPTERS = os.path.dirname(adapters.__file__)
HOME = os.path.dirname(ADAPTERS)
LIBRARY = os.path.dirname(os.__file__)
DEEP = 8  # levels of what the adapter's code calls that are followed
loop = asyncio.new_event_loop()
json_codec = codec.choose()

with open("runagent.config.json") as file:
    listed = json.load(file)["agent_architecture"]["entrypoints"]
module = next(one["module"] for one in listed if one["tag"] == tag)
adapters.watch()
adapted = entrypoints.resolve(sample, module, "main.py", {}, adapters.Wanted(False, ""))
binder = bind.Binder(adapted.fn, tag, adapted.binding)


def call(args, kwargs):
    """Call it as the shim does, and wait for what it returns."""
    out = adapted.fn(*args, **kwargs)

    async def wait():
        return await out

    return loop.run_until_complete(wait()) if inspect.isawaitable(out) else out


def timed(step, *args):
    """Return what step returns, and the microseconds that it took."""
    began = time.perf_counter()
    out = step(*args)
    return out, (time.perf_counter() - began) * 1e6


def nothing():
    """Stand for a function that is called."""


def many():
    """Call nothing often."""
    for _ in range(20000):
        nothing()


def overhead():
    """Return the seconds by which profiling makes a call longer: within what is called, and in its caller."""
    plain = min(timed(many)[1] for _ in range(5)) / 20000e6
    within, both = [], []
    for _ in range(5):
        profile = cProfile.Profile(builtins=False)
        profile.enable()
        _, took = timed(many)
        profile.disable()
        both.append(took / 20000e6 - plain)
        within.append(next(e.inlinetime for e in profile.getstats() if e.code is nothing.__code__) / 20000)
    inner = max(0.0, min(within) - plain)
    return inner, max(0.0, min(both) - inner)


def is_plain(code):
    """Say whether code is Python's or the shim's, and no adapter's or framework's."""
    file = getattr(code, "co_filename", "")
    return file.startswith((HOME, LIBRARY)) and not file.startswith(ADAPTERS) and "site-packages" not in file and "asyncio" not in file


def around(stats):
    """Return the microseconds in the adapter's own code, and in what it calls of Python and the shim."""
    known = {entry.code: entry for entry in stats}

    def below(entry, share, deep):
        total = 0.0
        for one in entry.calls or ():
            if is_plain(one.code) and deep:
                part = share * one.callcount / known[one.code].callcount
                total += share * (one.inlinetime - one.callcount * INNER) - part * called(known[one.code]) * OUTER
                total += below(known[one.code], part, deep - 1)
        return total

    total = 0.0
    for entry in stats:
        if getattr(entry.code, "co_filename", "").startswith(ADAPTERS):
            total += entry.inlinetime - entry.callcount * INNER - called(entry) * OUTER + below(entry, 1, DEEP)
    return total * 1e6


def called(entry):
    """Return how many calls an entry has made."""
    return sum(one.callcount for one in entry.calls or ())


INNER, OUTER = overhead()
profile = cProfile.Profile(builtins=False)


def served(kind, same):
    """Make one call; return its parts in microseconds and its result's JSON."""
    keywords, same = json.loads(text), json.loads(same)
    current = calls.Call(1, b"\0" * 24)
    calls.CURRENT.set(current)
    (args, keywords), binding = timed(binder.bind, (), keywords)
    if kind == "around":
        profile.clear()
        profile.enable()
        out = call(args, keywords)
        profile.disable()
    else:
        out = call(args, keywords)
    body, encoding = timed(encode.encode, same if kind == "plain" else out, json_codec)
    telling = timed(usage.metadata, current.usage)[1] if current.usage else 0
    if kind == "around":
        return {"around": around(profile.getstats())}, body
    return {"bind": binding, kind: encoding, "usage": telling}, body


parts = {"bind": [], "encode": [], "plain": [], "around": [], "usage": []}
body = b"null"
for _ in range(ROUNDS):
    for kind in ("encode", "plain", "around"):
        for n in range(WARM + BLOCK):
            found, body = served(kind, body)
            for name, took in found.items():
                if n >= WARM:
                    parts[name].append(took)

found = {name: statistics.median(of) for name, of in parts.items()}
found["encode"] -= found.pop("plain")
print("\n" + json.dumps({"us": sum(found.values()), **found}))
