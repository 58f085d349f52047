"""An AutoGen agent with two tools."""

import os
from typing import AsyncIterator

from autogen_agentchat.agents import AssistantAgent
from autogen_ext.models.openai import OpenAIChatCompletionClient

MODEL = os.environ.get("OPENAI_MODEL") or "gpt-4o-mini"


def make_model() -> OpenAIChatCompletionClient:
    """Return OpenAI's model, or an offline one in its place when there is no key."""
    if os.environ.get("OPENAI_API_KEY"):
        # For models that AutoGen does not know by name, add a model_info.
        return OpenAIChatCompletionClient(model=MODEL, base_url=os.environ.get("OPENAI_BASE_URL"))
    from offline_model import ASYNC_CLIENT

    return OpenAIChatCompletionClient(model="gpt-4o-mini", api_key="offline", http_client=ASYNC_CLIENT)


def add(a: float, b: float) -> str:
    """Add two numbers."""
    return f"{a:g} + {b:g} = {a + b:g}"


def count_words(text: str) -> str:
    """Count the words of a text."""
    return f"There are {len(text.split())} words in {text!r}"


model = make_model()


def make_agent() -> AssistantAgent:
    """Return an agent for one call: AutoGen's agents remember what they were told."""
    return AssistantAgent(
        "assistant",
        model_client=model,
        tools=[add, count_words],
        system_message="You are a helpful assistant. Use the tools where they help and answer briefly.",
        reflect_on_tool_use=True,
        model_client_stream=True,
    )


async def main(prompt: str) -> dict:
    """Answer a prompt and say which tools were used for it."""
    messages = (await make_agent().run(task=prompt)).messages
    used = [call.name for message in messages if message.type == "ToolCallRequestEvent" for call in message.content]
    return {"answer": messages[-1].content, "tools": used}


async def main_stream(prompt: str) -> AsyncIterator[str]:
    """Answer a prompt token by token."""
    async for message in make_agent().run_stream(task=prompt):
        if getattr(message, "type", "") == "ModelClientStreamingChunkEvent":
            yield message.content
