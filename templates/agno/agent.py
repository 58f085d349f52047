"""An Agno agent with two tools."""

import os
from typing import AsyncIterator

from agno.agent import Agent, RunEvent
from agno.models.openai import OpenAIChat


def make_model() -> OpenAIChat:
    """Return OpenAI's model, or an offline one in its place when there is no key."""
    name = os.environ.get("OPENAI_MODEL") or "gpt-4o-mini"
    if os.environ.get("OPENAI_API_KEY"):
        return OpenAIChat(id=name, base_url=os.environ.get("OPENAI_BASE_URL"))
    from offline_model import ASYNC_CLIENT

    return OpenAIChat(id=name, api_key="offline", http_client=ASYNC_CLIENT)


def add(a: float, b: float) -> str:
    """Add two numbers."""
    return f"{a:g} + {b:g} = {a + b:g}"


def count_words(text: str) -> str:
    """Count the words of a text."""
    return f"There are {len(text.split())} words in {text!r}"


model = make_model()


def make_agent() -> Agent:
    """Return an agent for one call: Agno's agents keep the session of their first run."""
    return Agent(
        model=model,
        tools=[add, count_words],
        instructions="Use the tools where they help and answer briefly.",
        telemetry=False,
    )


async def main(prompt: str) -> dict:
    """Answer a prompt and say which tools were used for it."""
    run = await make_agent().arun(prompt)
    if run.status != "COMPLETED":  # Agno gives failures as results
        raise RuntimeError(run.content)
    return {"answer": run.content, "tools": [tool.tool_name for tool in run.tools or ()]}


async def main_stream(prompt: str) -> AsyncIterator[str]:
    """Answer a prompt token by token."""
    async for event in make_agent().arun(prompt, stream=True):
        if event.event == RunEvent.run_content and event.content:
            yield event.content
