"""A Google ADK agent with two tools."""

import os
from typing import AsyncIterator

from google.adk.agents import LlmAgent
from google.adk.agents.run_config import RunConfig, StreamingMode
from google.adk.events import Event
from google.adk.runners import InMemoryRunner
from google.genai import types


def make_model():
    """Return a Gemini model, or an offline one when there is no key."""
    if os.environ.get("GOOGLE_API_KEY"):
        return os.environ.get("GEMINI_MODEL") or "gemini-3.5-flash"
    from offline_model import OfflineModel

    return OfflineModel(model="offline")


def add(a: float, b: float) -> str:
    """Add two numbers."""
    return f"{a:g} + {b:g} = {a + b:g}"


def count_words(text: str) -> str:
    """Count the words of a text."""
    return f"There are {len(text.split())} words in {text!r}"


root_agent = LlmAgent(
    name="assistant",
    model=make_model(),
    tools=[add, count_words],
    instruction="You are a helpful assistant. Use the tools where they help and answer briefly.",
)
runner = InMemoryRunner(root_agent, app_name="assistant")


async def turn(prompt: str, streaming: StreamingMode) -> AsyncIterator[Event]:
    """Yield the events of one turn, in a session of its own."""
    session = await runner.session_service.create_session(app_name="assistant", user_id="user")
    message = types.UserContent(prompt)
    async for event in runner.run_async(
        user_id="user", session_id=session.id, new_message=message, run_config=RunConfig(streaming_mode=streaming)
    ):
        yield event
    await runner.session_service.delete_session(app_name="assistant", user_id="user", session_id=session.id)


async def main(prompt: str) -> dict:
    """Answer a prompt and say which tools were used for it."""
    answer, used = "", []
    async for event in turn(prompt, StreamingMode.NONE):
        used += [call.name for call in event.get_function_calls()]
        if event.is_final_response():
            answer = text(event)
    return {"answer": answer, "tools": used}


async def main_stream(prompt: str) -> AsyncIterator[str]:
    """Answer a prompt token by token."""
    async for event in turn(prompt, StreamingMode.SSE):
        if event.partial and text(event):
            yield text(event)


def text(event: Event) -> str:
    parts = event.content.parts if event.content else None
    return "".join(part.text or "" for part in parts or ())
