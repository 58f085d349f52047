"""LitServe: a LitAPI around the one function that BENCH_FUNCTION names.

A LitAPI is a worker process of its own, which takes one request after the
other, so a server for all functions would be nine processes. Functions that
are coroutines get `enable_async`, as its documentation has it.
"""

import inspect
import json
import os
import sys

import litserve as ls

NAME = os.environ["BENCH_FUNCTION"]
STREAMS = NAME in ("stream", "slow_stream", "endless")


def function():
    if NAME == "graph":
        import graph

        return graph.run
    import work

    return work.FUNCTIONS[NAME]


class Plain(ls.LitAPI):
    def setup(self, device):
        self.function = function()

    def decode_request(self, request):
        return request

    def predict(self, request):
        return self.function(**request)

    def encode_response(self, output):
        return output


class Async(Plain):
    async def decode_request(self, request):
        return request

    async def predict(self, request):
        return await self.function(**request)

    async def encode_response(self, output):
        return output


class Stream(Plain):
    def predict(self, request):
        yield from self.function(**request)

    def encode_response(self, outputs):
        for item in outputs:
            yield "data: " + json.dumps(item, separators=(",", ":")) + "\n\n"


if __name__ == "__main__":
    coroutine = NAME != "graph" and inspect.iscoroutinefunction(function())
    kind = Stream if STREAMS else Async if coroutine else Plain
    api = kind(api_path="/" + NAME, stream=STREAMS, enable_async=coroutine)
    server = ls.LitServer(api, accelerator="cpu", timeout=False)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", generate_client_file=False, access_log=False)
