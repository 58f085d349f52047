"""An agent of the OpenAI Agents SDK with two tools."""

import os
from typing import AsyncIterator

from agents import Agent, OpenAIChatCompletionsModel, Runner, function_tool, set_tracing_disabled
from openai import AsyncOpenAI

MODEL = os.environ.get("OPENAI_MODEL") or "gpt-4o-mini"


def make_model():
    """Return OpenAI's model, or an offline one in its place when there is no key."""
    if os.environ.get("OPENAI_API_KEY"):
        return MODEL  # OPENAI_BASE_URL names another server
    from offline_model import ASYNC_CLIENT

    set_tracing_disabled(True)  # traces go to OpenAI
    client = AsyncOpenAI(api_key="offline", http_client=ASYNC_CLIENT)
    return OpenAIChatCompletionsModel(MODEL, client)


@function_tool
def add(a: float, b: float) -> str:
    """Add two numbers."""
    return f"{a:g} + {b:g} = {a + b:g}"


@function_tool
def count_words(text: str) -> str:
    """Count the words of a text."""
    return f"There are {len(text.split())} words in {text!r}"


agent = Agent(
    name="Assistant",
    instructions="Use the tools where they help and answer briefly.",
    model=make_model(),
    tools=[add, count_words],
)


async def main(prompt: str) -> dict:
    """Answer a prompt and say which tools were used for it."""
    run = await Runner.run(agent, prompt)
    used = [item.raw_item.name for item in run.new_items if item.type == "tool_call_item"]
    return {"answer": run.final_output, "tools": used}


async def main_stream(prompt: str) -> AsyncIterator[str]:
    """Answer a prompt token by token."""
    run = Runner.run_streamed(agent, prompt)
    async for event in run.stream_events():
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
            yield event.data.delta
