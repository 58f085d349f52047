"""A LangGraph agent with two tools.

Without a key it runs on a small offline model; set OPENAI_API_KEY (and
OPENAI_BASE_URL, OPENAI_MODEL if you like) to run it on a real one.
"""

import os
from typing import Iterator

from langchain_core.messages import SystemMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from offline_model import OfflineModel, Rule

SYSTEM = SystemMessage("You are a helpful assistant. Use the tools where they help and answer briefly.")


@tool
def add(a: float, b: float) -> str:
    """Add two numbers."""
    return f"{a:g} + {b:g} = {a + b:g}"


@tool
def count_words(text: str) -> str:
    """Count the words of a text."""
    return f"There are {len(text.split())} words in {text!r}"


TOOLS = [add, count_words]

# What the offline model understands; a real model needs none of this.
RULES = [
    Rule(
        r"(-?\d+(?:\.\d+)?)\s*(?:\+|and|plus)\s*(-?\d+(?:\.\d+)?)",
        "add",
        lambda m: {"a": float(m[1]), "b": float(m[2])},
    ),
    Rule(r"words?\b.*?[\"'“](.+?)[\"'”]", "count_words", lambda m: {"text": m[1]}),
]


def make_model():
    """Return the model the agent thinks with."""
    if os.environ.get("OPENAI_API_KEY"):
        from langchain_openai import ChatOpenAI

        return ChatOpenAI(
            model=os.environ.get("OPENAI_MODEL") or "gpt-4o-mini",
            base_url=os.environ.get("OPENAI_BASE_URL") or None,
            temperature=0,
        )
    return OfflineModel(
        rules=RULES,
        fallback="I am the offline model: ask me to add 2 + 3, or to count the words of \"a text in quotes\".",
    )


model = make_model().bind_tools(TOOLS)


def think(state: MessagesState, config: RunnableConfig) -> dict:
    """Ask the model, which answers or calls tools."""
    return {"messages": [model.invoke([SYSTEM, *state["messages"]], config)]}


builder = StateGraph(MessagesState)
builder.add_node("think", think)
builder.add_node("tools", ToolNode(TOOLS, handle_tool_errors=True))
builder.add_edge(START, "think")
builder.add_conditional_edges("think", tools_condition)
builder.add_edge("tools", "think")
app = builder.compile()


def main(prompt: str) -> dict:
    """Answer a prompt and say which tools were used for it."""
    messages = app.invoke({"messages": [("user", prompt)]})["messages"]
    used = [message.name for message in messages if message.type == "tool"]
    return {"answer": messages[-1].content, "tools": used}


def main_stream(prompt: str) -> Iterator[str]:
    """Answer a prompt token by token."""
    for message, _ in app.stream({"messages": [("user", prompt)]}, stream_mode="messages"):
        if message.type == "AIMessageChunk" and message.content:
            yield message.content
