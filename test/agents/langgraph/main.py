"""A LangGraph agent with two tools, streaming, and a memory kept in SQLite.

Its model is whatever OPENAI_BASE_URL answers as.
"""

import os
import sqlite3

from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@tool
def shout(text: str) -> str:
    """Say it louder."""
    return text.upper() + "!"


tools = [add, shout]
model = ChatOpenAI(model=os.environ.get("MODEL", "fake-small"), temperature=0, max_retries=2)


def think(state: MessagesState) -> dict:
    return {"messages": [model.bind_tools(tools).invoke(state["messages"])]}


builder = StateGraph(MessagesState)
builder.add_node("think", think)
builder.add_node("tools", ToolNode(tools))
builder.add_edge(START, "think")
builder.add_conditional_edges("think", tools_condition)
builder.add_edge("tools", "think")
app = builder.compile()

memory = sqlite3.connect(os.environ.get("MEMORY", "memory.db"), check_same_thread=False)
remembering = builder.compile(checkpointer=SqliteSaver(memory))


def thread(thread_id: str) -> dict:
    return {"configurable": {"thread_id": thread_id}}


def chat(prompt: str, thread_id: str = "main") -> dict:
    """Answer, remembering what was said in this thread."""
    state = remembering.invoke({"messages": [("user", prompt)]}, thread(thread_id))
    return {"answer": state["messages"][-1].content, "turns": len(state["messages"])}


def chat_stream(prompt: str, thread_id: str = "main"):
    """Answer token by token."""
    turns = {"messages": [("user", prompt)]}
    for message, _ in remembering.stream(turns, thread(thread_id), stream_mode="messages"):
        if message.type == "AIMessageChunk" and message.content:
            yield message.content


def history(thread_id: str = "main") -> list:
    """Return what was said in this thread."""
    state = remembering.get_state(thread(thread_id))
    return [[message.type, message.content] for message in state.values.get("messages", [])]
