"""A LangGraph agent that calculates and converts units.

Without a key it thinks with a small offline model; with OPENAI_API_KEY set it
thinks with OpenAI's, or with whatever OPENAI_BASE_URL answers as.
"""

import os
import re
from typing import Any, Dict, Iterator, List

from langchain_core.messages import AIMessage, BaseMessage, SystemMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from offline_model import OfflineModel, Rule
from tools import calculate, convert

TOOLS = [calculate, convert]
SYSTEM = SystemMessage(
    "You are a helpful assistant. Use the calculator and the converter for anything with numbers, and answer briefly."
)
FALLBACK = (
    "I am a small offline model with two tools. Ask me for a sum, such as 12 * (3 + 4), "
    "or for a conversion, such as 5 km to miles. Set OPENAI_API_KEY to talk to a real model."
)


def _sum(match: "re.Match[str]") -> Any:
    expression = match[0].strip()
    is_sum = re.search(r"[\d)]\s*[-+*/%^×÷]", expression) or "(" in expression
    return {"expression": expression} if is_sum else None


def _conversion(match: "re.Match[str]") -> Any:
    return {"value": float(match[1]), "from_unit": match[2], "to_unit": match[3]}


# What the offline model understands; a real model needs none of this.
RULES = [
    Rule(r"(?:\b(?:sqrt|abs|round|min|max)\s*)?[\d(][\d\s.()+*/%^×÷-]*[\d)]", "calculate", _sum),
    Rule(r"(-?\d+(?:\.\d+)?)\s*(°?[a-z]+)\s+(?:in|into|to|as)\s+(°?[a-z]+)", "convert", _conversion),
]


def make_model() -> Any:
    """Return the model the agent thinks with."""
    if os.environ.get("OPENAI_API_KEY"):
        from langchain_openai import ChatOpenAI

        return ChatOpenAI(
            model=os.environ.get("OPENAI_MODEL") or "gpt-4o-mini",
            base_url=os.environ.get("OPENAI_BASE_URL") or None,
            temperature=0,
        )
    return OfflineModel(rules=RULES, fallback=FALLBACK)


def build() -> Any:
    """Return the graph: the model thinks, its tool calls run, and it thinks again."""
    model = make_model().bind_tools(TOOLS)

    def think(state: MessagesState, config: RunnableConfig) -> dict:
        return {"messages": [model.invoke([SYSTEM, *state["messages"]], config)]}

    builder = StateGraph(MessagesState)
    builder.add_node("think", think)
    builder.add_node("tools", ToolNode(TOOLS, handle_tool_errors=_explain))
    builder.add_edge(START, "think")
    builder.add_conditional_edges("think", tools_condition)
    builder.add_edge("tools", "think")
    return builder.compile()


def _explain(error: Exception) -> str:
    return f"That did not work: {error}"


app = build()


def invoke(prompt: str) -> Dict[str, Any]:
    """Answer a prompt and show which tools were called on the way."""
    messages = app.invoke(_question(prompt))["messages"]
    return {"answer": _text(messages[-1]), "tool_calls": _tool_calls(messages)}


def stream(prompt: str) -> Iterator[str]:
    """Answer a prompt token by token."""
    for message, _ in app.stream(_question(prompt), stream_mode="messages"):
        text = _text(message) if isinstance(message, AIMessage) else ""
        if text:
            yield text


def _question(prompt: str) -> dict:
    return {"messages": [("user", prompt)]}


def _tool_calls(messages: List[BaseMessage]) -> List[Dict[str, Any]]:
    results = {m.tool_call_id: m.content for m in messages if isinstance(m, ToolMessage)}
    return [
        {"tool": call["name"], "args": call["args"], "result": results.get(call["id"])}
        for message in messages
        if isinstance(message, AIMessage)
        for call in message.tool_calls
    ]


def _text(message: BaseMessage) -> str:
    """Return a message's text; some models answer in blocks."""
    if isinstance(message.content, str):
        return message.content
    return "".join(block.get("text", "") for block in message.content if isinstance(block, dict))
