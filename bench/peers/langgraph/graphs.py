"""LangGraph dev: a graph of one node around the function that BENCH_FUNCTION names, or the compiled graph itself."""

import inspect
import os
from typing import Any

from langgraph.config import get_stream_writer
from langgraph.graph import START, StateGraph
from typing_extensions import TypedDict

NAME = os.environ["BENCH_FUNCTION"]


class Args(TypedDict):
    args: Any


class Result(TypedDict):
    result: Any


class State(Args, Result):
    pass


def node(fn):
    def streams(state: Args):
        write = get_stream_writer()
        for item in fn(**state["args"]):
            write(item)
        return {"result": None}

    async def awaits(state: Args):
        return {"result": await fn(**state["args"])}

    def returns(state: Args):
        return {"result": fn(**state["args"])}

    if inspect.isgeneratorfunction(fn):
        return streams
    return awaits if inspect.iscoroutinefunction(fn) else returns


def build():
    if NAME == "graph":
        import graph

        return graph.GRAPH
    import work

    builder = StateGraph(State, input_schema=Args, output_schema=Result)
    builder.add_node("call", node(work.FUNCTIONS[NAME]))
    builder.add_edge(START, "call")
    return builder.compile()


bench = build()
