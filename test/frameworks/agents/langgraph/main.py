"""A graph with tools, another with a memory kept in SQLite, a third that asks a person."""

import os
import sqlite3

from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.types import interrupt
from typing_extensions import TypedDict

from probe import identity


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


model = ChatOpenAI(model="fake-small", max_retries=0, stream_usage=True)


def think(state: MessagesState) -> dict:
    return {"messages": [model.bind_tools([add]).invoke(state["messages"])]}


async def think_later(state: MessagesState) -> dict:
    return {"messages": [await model.ainvoke(state["messages"])]}


def approve(state: MessagesState) -> dict:
    return {"messages": [("assistant", "you decided: %s" % interrupt({"question": "go on?"}))]}


builder = StateGraph(MessagesState)
builder.add_node("think", think)
builder.add_node("tools", ToolNode([add]))
builder.add_edge(START, "think")
builder.add_conditional_edges("think", tools_condition)
builder.add_edge("tools", "think")
graph = builder.compile()

# The checkpointer of an import lives in every instance that is forked.
remembering = builder.compile(
    checkpointer=SqliteSaver(sqlite3.connect(os.environ.get("MEMORY", "memory.db"), check_same_thread=False))
)

later = StateGraph(MessagesState).add_node(think_later).add_edge(START, "think_later").compile()

asking = (
    StateGraph(MessagesState)
    .add_node(approve)
    .add_edge(START, "approve")
    .add_edge("approve", END)
    .compile(checkpointer=InMemorySaver())
)


class Points(TypedDict):
    points: int


class Score(TypedDict):
    score: str


class Game(Points, Score):
    pass


scored = (
    StateGraph(Game, input_schema=Points, output_schema=Score)
    .add_node("count", lambda state: {"score": "%d points" % state["points"]})
    .add_edge(START, "count")
    .compile()
)


class Box(TypedDict):
    box: dict


def close(state: Box) -> dict:
    box = {}
    box["box"] = box
    return {"box": box}


cyclic = StateGraph(Box).add_node("close", close).add_edge(START, "close").compile()


def cyclic_stream():
    yield {"first": 1}
    yield {"second": close}


def tokens_stream(prompt: str):
    """Answer token by token."""
    for message, _ in graph.stream({"messages": [("user", prompt)]}, stream_mode="messages"):
        if message.content:
            yield message.content


def main(prompt: str) -> dict:
    """Answer with the model, and say which instance it was."""
    return dict(identity(), answer=graph.invoke({"messages": [("user", prompt)]})["messages"][-1].content)


def plain_stream(prompt: str):
    """What the adapter streams, by hand."""
    for message, about in graph.stream({"messages": [("user", prompt)]}, stream_mode="messages"):
        yield [message.model_dump(mode="json"), about]
