"""An agent with a tool, as `adk` projects have it, and a run by a Runner of its own."""

from google.adk.agents import LlmAgent
from google.adk.agents.run_config import RunConfig, StreamingMode
from google.adk.runners import InMemoryRunner
from google.genai import types

from model import OpenAILlm
from probe import identity


def add(a: int, b: int) -> dict:
    """Add two numbers."""
    return {"sum": a + b}


root_agent = LlmAgent(
    name="adder", description="Adds.", model=OpenAILlm(model="fake-small"), instruction="Be brief.", tools=[add]
)
runner = InMemoryRunner(root_agent, app_name="sample")


async def events_stream(prompt: str):
    """Yield the events of a turn as they are."""
    session = await runner.session_service.create_session(app_name="sample", user_id="user")
    message = types.Content(role="user", parts=[types.Part(text=prompt)])
    mode = RunConfig(streaming_mode=StreamingMode.SSE)
    turn = runner.run_async(user_id="user", session_id=session.id, new_message=message, run_config=mode)
    async for event in turn:
        yield event


async def main(prompt: str) -> dict:
    """Answer with the model, and say which instance it was."""
    answer = ""
    async for event in events_stream(prompt):
        if event.content and not event.partial:
            answer = event.content.parts[0].text
    return dict(identity(), answer=answer)


async def plain_stream(prompt: str):
    """What the adapter streams, by hand."""
    async for event in events_stream(prompt):
        if event.partial and event.content:
            yield event.content.parts[0].text
