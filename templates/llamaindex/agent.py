"""A LlamaIndex agent with two tools."""

import os
from typing import AsyncIterator

from llama_index.core.agent.workflow import AgentStream, FunctionAgent
from llama_index.llms.openai_like import OpenAILike


def make_model() -> OpenAILike:
    """Return OpenAI's model, or an offline one in its place when there is no key."""
    name = os.environ.get("OPENAI_MODEL") or "gpt-4o-mini"
    options = {"model": name, "is_chat_model": True, "is_function_calling_model": True}
    if os.environ.get("OPENAI_API_KEY"):
        return OpenAILike(**options, api_base=os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1")
    from offline_model import ASYNC_CLIENT

    return OpenAILike(**options, api_key="offline", async_http_client=ASYNC_CLIENT)


def add(a: float, b: float) -> str:
    """Add two numbers."""
    return f"{a:g} + {b:g} = {a + b:g}"


def count_words(text: str) -> str:
    """Count the words of a text."""
    return f"There are {len(text.split())} words in {text!r}"


agent = FunctionAgent(
    llm=make_model(),
    tools=[add, count_words],
    system_prompt="You are a helpful assistant. Use the tools where they help and answer briefly.",
)


async def main(prompt: str) -> dict:
    """Answer a prompt and say which tools were used for it."""
    output = await agent.run(prompt)
    return {"answer": output.response.content, "tools": [call.tool_name for call in output.tool_calls]}


async def main_stream(prompt: str) -> AsyncIterator[str]:
    """Answer a prompt token by token."""
    run = agent.run(prompt)
    async for event in run.stream_events():
        if isinstance(event, AgentStream) and event.delta:
            yield event.delta
    await run  # raises what went wrong
