"""A pydantic-ai agent with two tools."""

import os
from typing import AsyncIterator

from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider


def make_provider() -> OpenAIProvider:
    """Return OpenAI, or an offline model in its place when there is no key."""
    if os.environ.get("OPENAI_API_KEY"):
        return OpenAIProvider()  # OPENAI_BASE_URL names another server
    from offline_model import ASYNC_CLIENT

    return OpenAIProvider(api_key="offline", http_client=ASYNC_CLIENT)


model = OpenAIChatModel(os.environ.get("OPENAI_MODEL") or "gpt-4o-mini", provider=make_provider())
agent = Agent(model, instructions="You are a helpful assistant. Use the tools where they help and answer briefly.")


@agent.tool_plain
def add(a: float, b: float) -> str:
    """Add two numbers."""
    return f"{a:g} + {b:g} = {a + b:g}"


@agent.tool_plain
def count_words(text: str) -> str:
    """Count the words of a text."""
    return f"There are {len(text.split())} words in {text!r}"


async def main(prompt: str) -> dict:
    """Answer a prompt and say which tools were used for it."""
    run = await agent.run(prompt)
    used = [part.tool_name for message in run.all_messages() for part in message.parts if part.part_kind == "tool-call"]
    return {"answer": run.output, "tools": used}


async def main_stream(prompt: str) -> AsyncIterator[str]:
    """Answer a prompt token by token."""
    async with agent.run_stream(prompt) as run:
        async for text in run.stream_text(delta=True, debounce_by=None):
            yield text
