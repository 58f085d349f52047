"""BentoML: a service with a method for each function; plain ones on 64 threads, as many as the benchmark has clients."""

import json
import os
from typing import Any, Generator

import bentoml
import work


def events(items) -> Generator[str, None, None]:
    try:
        for item in items:
            yield "data: " + json.dumps(item, separators=(",", ":")) + "\n\n"
    finally:
        items.close()


@bentoml.service(threads=64, traffic={"timeout": 60}, logging={"access": {"enabled": False}}, metrics={"enabled": False})
class Bench:
    def __init__(self) -> None:
        if os.environ["BENCH_FUNCTION"] == "graph":
            import graph

            self.run_graph = graph.run

    @bentoml.api
    def echo(self, message: str, n: int, tags: list) -> dict[str, Any]:
        return work.echo(message, n, tags)

    @bentoml.api
    def big(self, data: str) -> dict[str, Any]:
        return work.big(data)

    @bentoml.api
    def cpu(self, rounds: int) -> dict[str, Any]:
        return work.cpu(rounds)

    @bentoml.api
    def sleep(self, seconds: float) -> dict[str, Any]:
        return work.sleep(seconds)

    @bentoml.api
    def maybe(self, message: str, seconds: float) -> dict[str, Any]:
        return work.maybe(message, seconds)

    @bentoml.api
    async def asleep(self, seconds: float) -> dict[str, Any]:
        return await work.asleep(seconds)

    @bentoml.api
    def graph(self, question: str) -> dict[str, Any]:
        return self.run_graph(question)

    @bentoml.api
    def stream(self, message: str, count: int) -> Generator[str, None, None]:
        yield from events(work.stream(message, count))

    @bentoml.api
    def slow_stream(self, message: str, count: int) -> Generator[str, None, None]:
        yield from events(work.slow_stream(message, count))

    @bentoml.api
    def endless(self, path: str, wait: float) -> Generator[str, None, None]:
        yield from events(work.endless(path, wait))
