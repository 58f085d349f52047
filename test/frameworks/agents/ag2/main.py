"""An agent with a tool, and a turn of it as people write one."""

import asyncio

from ag2 import Agent
from ag2.config import OpenAIConfig
from ag2.events import ModelMessageChunk
from pydantic import BaseModel

from probe import identity


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


config = OpenAIConfig(model="fake-small", max_retries=0, streaming=True)
agent = Agent("adder", "Be brief.", config=config, tools=[add])


class Place(BaseModel):
    city: str


finder = Agent("finder", config=config, response_schema=Place)


async def main(prompt: str) -> dict:
    """Answer with the model, and say which instance it was."""
    reply = await agent.ask(prompt)
    return dict(identity(), answer=reply.body)


async def later(prompt: str):
    """Return the agent's reply as it is."""
    return await agent.ask(prompt)


async def found(prompt: str):
    """Return a reply that has a schema."""
    return await finder.ask(prompt)


async def plain_stream(prompt: str):
    """What the adapter streams, by hand."""
    said = asyncio.Queue()

    async def hear(event):
        said.put_nowait(event.content)

    async with agent.run(prompt) as run:
        run.stream.where(ModelMessageChunk).subscribe(hear)
        turn = asyncio.ensure_future(run.result())
        turn.add_done_callback(lambda _: said.put_nowait(None))
        while True:
            text = await said.get()
            if text is None:
                break
            yield text
