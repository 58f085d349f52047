"""FastAPI as its documentation writes it: an endpoint for each function.

BENCH_MODE=sync makes plain endpoints, which FastAPI runs on its thread pool;
BENCH_MODE=async makes coroutines.
"""

import asyncio
import os
from typing import Any

import orjson
import work
from fastapi import Body, FastAPI
from fastapi.responses import StreamingResponse

app = FastAPI()
SYNC = os.environ.get("BENCH_MODE", "sync") == "sync"


@app.get("/ready")
async def ready():
    return {"ok": True}


def event(item):
    return b"data: " + orjson.dumps(item) + b"\n\n"


def plain(fn):
    def endpoint(body: dict = Body()) -> dict[str, Any]:
        return fn(**body)

    async def endpoint_async(body: dict = Body()) -> dict[str, Any]:
        return fn(**body)

    return endpoint if SYNC else endpoint_async


def streaming(fn, fn_async):
    def endpoint(body: dict = Body()):
        return StreamingResponse((event(item) for item in fn(**body)), media_type="text/event-stream")

    async def endpoint_async(body: dict = Body()):
        return StreamingResponse(
            (event(item) async for item in fn_async(**body)), media_type="text/event-stream"
        )

    return endpoint if SYNC or fn_async is None else endpoint_async


async def slow_stream(message: str, count: int):
    for index in range(count):
        if index:
            await asyncio.sleep(0.02)
        yield {"i": index, "text": message}


async def asleep(body: dict = Body()) -> dict[str, Any]:
    return await work.asleep(**body)


async def sleep_off_loop(body: dict = Body()) -> dict[str, Any]:
    # What an author of coroutines has to write for a function that blocks.
    return await asyncio.to_thread(work.sleep, **body)


async def maybe_off_loop(body: dict = Body()) -> dict[str, Any]:
    return await asyncio.to_thread(work.maybe, **body)


app.post("/echo")(plain(work.echo))
app.post("/big")(plain(work.big))
app.post("/cpu")(plain(work.cpu))
app.post("/sleep")(plain(work.sleep) if SYNC else sleep_off_loop)
app.post("/maybe")(plain(work.maybe) if SYNC else maybe_off_loop)
app.post("/asleep")(asleep)
app.post("/stream")(streaming(work.stream, work.stream_async))
app.post("/slow_stream")(streaming(work.slow_stream, slow_stream))
app.post("/endless")(streaming(work.endless, None))

if os.environ.get("BENCH_FUNCTION") == "graph":
    import graph

    app.post("/graph")(plain(graph.run))
