"""An agent with a tool, and runs of it as people write them."""

from agents import Agent, Runner, SQLiteSession, function_tool

from probe import identity


@function_tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


agent = Agent(name="helper", instructions="Be brief.", model="fake-small", tools=[add])


def main(prompt: str) -> dict:
    """Answer with the model, and say which instance it was."""
    return dict(identity(), answer=Runner.run_sync(agent, prompt).final_output)


async def later(prompt: str):
    """Return the SDK's result."""
    return await Runner.run(agent, prompt)


async def events_stream(prompt: str):
    """Return the SDK's stream as it is."""
    return Runner.run_streamed(agent, prompt)


async def remembering(prompt: str, session_id: str) -> dict:
    """Answer with what was said before in this session."""
    session = SQLiteSession(session_id, "sessions.db")
    result = await Runner.run(agent, prompt, session=session)
    return {"answer": result.final_output, "items": len(await session.get_items())}


async def plain_stream(prompt: str):
    """What the adapter streams, by hand."""
    async for event in Runner.run_streamed(agent, prompt).stream_events():
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
            yield event.data.delta
