"""Measures what an adapter adds to a call of a sample: measure.py SHIM TAG INPUT, in the sample's folder.

Prints {"us": …}, the microseconds a call: those of binding, those by which
encoding the framework's objects takes longer than plain data of the same, and
those of the adapter's own code around the framework's, by a profiler, which
makes them more. What the framework does itself is not counted, also where the
adapter asks for it.
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
from runagent_shim import adapters, bind, codec, encode, entrypoints

CALLS = 30
ADAPTERS = os.path.dirname(adapters.__file__)
loop = asyncio.new_event_loop()
json_codec = codec.JSONCodec()

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


def around(profile):
    """Return the microseconds in the adapter's own code, and in what it calls of Python and the shim."""
    home = os.path.dirname(ADAPTERS)
    library = os.path.dirname(os.__file__)
    total = 0.0
    profile.create_stats()
    for (file, _, _), (_, _, own, _, callers) in profile.stats.items():
        if file.startswith(ADAPTERS):
            total += own
        elif file.startswith((home, library)) and "site-packages" not in file and "asyncio" not in file:
            total += sum(of[3] for caller, of in callers.items() if caller[0].startswith(ADAPTERS))
    return total * 1e6


for _ in range(5):
    args, kwargs = binder.bind((), json.loads(text))
    encode.encode(call(args, kwargs), json_codec)

binding, encoding = [], []
profile = cProfile.Profile(builtins=False)
for _ in range(CALLS):
    (args, kwargs), took = timed(binder.bind, (), json.loads(text))
    binding.append(took)
    profile.enable()
    out = call(args, kwargs)
    profile.disable()
    text_of, took = timed(encode.encode, out, json_codec)
    encoding.append(took - timed(encode.encode, json.loads(text_of), json_codec)[1])

parts = (statistics.median(binding), statistics.median(encoding), around(profile) / CALLS)
print(json.dumps({"us": sum(parts), "bind": parts[0], "encode": parts[1], "around": parts[2]}))
