"""A LangGraph agent with two tools."""

import os
from typing import Iterator

from langchain_core.messages import SystemMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

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


def make_model() -> ChatOpenAI:
    """Return OpenAI's model, or an offline one in its place when there is no key."""
    name = os.environ.get("OPENAI_MODEL") or "gpt-4o-mini"
    if os.environ.get("OPENAI_API_KEY"):
        return ChatOpenAI(model=name)  # OPENAI_BASE_URL names another server
    from offline_model import CLIENT

    return ChatOpenAI(model=name, api_key="offline", http_client=CLIENT)


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
