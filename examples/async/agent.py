"""Async: many questions at once on one event loop, by the OpenAI Agents SDK."""

import asyncio
import os
from typing import AsyncIterator, List

from agents import Agent, OpenAIChatCompletionsModel, Runner, function_tool, set_tracing_disabled
from openai import AsyncOpenAI

MODEL = os.environ.get("OPENAI_MODEL") or "gpt-4o-mini"


def make_model():
    """Return OpenAI's model, or an offline one in its place when there is no key."""
    if os.environ.get("OPENAI_API_KEY"):
        return MODEL
    from offline_model import ASYNC_CLIENT

    set_tracing_disabled(True)  # traces go to OpenAI
    return OpenAIChatCompletionsModel(MODEL, AsyncOpenAI(api_key="offline", http_client=ASYNC_CLIENT))


@function_tool
async def add(a: float, b: float) -> str:
    """Add two numbers."""
    await asyncio.sleep(0.2)  # as slow as a tool that asks the network
    return f"{a:g} + {b:g} = {a + b:g}"


agent = Agent(name="Calculator", instructions="Use the tools and answer briefly.", model=make_model(), tools=[add])


async def answer(question: str) -> str:
    return (await Runner.run(agent, question)).final_output


async def all_answers(questions: List[str]) -> dict:
    """Answer all questions together: it takes as long as the slowest one."""
    return {"answers": await asyncio.gather(*map(answer, questions))}


async def as_they_come(questions: List[str]) -> AsyncIterator[str]:
    """Yield each answer as soon as it is there."""
    for done in asyncio.as_completed([answer(question) for question in questions]):
        yield await done
