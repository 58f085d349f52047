"""An AG2 agent with two tools."""

import asyncio
import os
from typing import AsyncIterator

from ag2 import Agent, tool
from ag2.config import OpenAIConfig
from ag2.events import ModelMessageChunk, ToolCallEvent


def make_config() -> OpenAIConfig:
    """Return OpenAI's model, or an offline one in its place when there is no key."""
    name = os.environ.get("OPENAI_MODEL") or "gpt-4o-mini"
    if os.environ.get("OPENAI_API_KEY"):
        return OpenAIConfig(name, streaming=True)  # OPENAI_BASE_URL names another server
    from offline_model import ASYNC_CLIENT

    return OpenAIConfig(name, streaming=True, api_key="offline", http_client=ASYNC_CLIENT)


@tool
def add(a: float, b: float) -> str:
    """Add two numbers."""
    return f"{a:g} + {b:g} = {a + b:g}"


@tool
def count_words(text: str) -> str:
    """Count the words of a text."""
    return f"There are {len(text.split())} words in {text!r}"


agent = Agent(
    "assistant",
    prompt="You are a helpful assistant. Use the tools where they help and answer briefly.",
    config=make_config(),
    tools=[add, count_words],
)


async def main(prompt: str) -> dict:
    """Answer a prompt and say which tools were used for it."""
    reply = await agent.ask(prompt)
    events = await reply.history.get_events()
    return {"answer": reply.body, "tools": [event.name for event in events if isinstance(event, ToolCallEvent)]}


async def main_stream(prompt: str) -> AsyncIterator[str]:
    """Answer a prompt token by token."""
    pieces = asyncio.Queue()

    async def ask() -> None:
        try:
            async with agent.run(prompt) as run:
                run.stream.where(ModelMessageChunk).subscribe(lambda chunk: pieces.put_nowait(chunk.content))
                await run.result()
        finally:
            pieces.put_nowait(None)

    turn = asyncio.create_task(ask())
    try:
        while (piece := await pieces.get()) is not None:
            yield piece
        await turn  # raises what went wrong
    finally:
        turn.cancel()
