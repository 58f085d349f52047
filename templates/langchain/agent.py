"""A LangChain agent with two tools."""

import os
from typing import Iterator

from langchain.agents import create_agent
from langchain_openai import ChatOpenAI


def make_model() -> ChatOpenAI:
    """Return OpenAI's model, or an offline one in its place when there is no key."""
    name = os.environ.get("OPENAI_MODEL") or "gpt-4o-mini"
    if os.environ.get("OPENAI_API_KEY"):
        return ChatOpenAI(model=name)  # OPENAI_BASE_URL names another server
    from offline_model import CLIENT

    return ChatOpenAI(model=name, api_key="offline", http_client=CLIENT)


def add(a: float, b: float) -> str:
    """Add two numbers."""
    return f"{a:g} + {b:g} = {a + b:g}"


def count_words(text: str) -> str:
    """Count the words of a text."""
    return f"There are {len(text.split())} words in {text!r}"


agent = create_agent(
    make_model(),
    tools=[add, count_words],
    system_prompt="You are a helpful assistant. Use the tools where they help and answer briefly.",
)


def main(prompt: str) -> dict:
    """Answer a prompt and say which tools were used for it."""
    messages = agent.invoke(question(prompt))["messages"]
    used = [message.name for message in messages if message.type == "tool"]
    return {"answer": messages[-1].text, "tools": used}


def main_stream(prompt: str) -> Iterator[str]:
    """Answer a prompt token by token."""
    for message, _ in agent.stream(question(prompt), stream_mode="messages"):
        if message.type == "AIMessageChunk" and message.text:
            yield message.text


def question(prompt: str) -> dict:
    return {"messages": [{"role": "user", "content": prompt}]}
