"""An agent with a tool, and a turn of it as people write one."""

from ag2 import Agent
from ag2.config import OpenAIConfig

from probe import identity


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


config = OpenAIConfig(model="fake-small", max_retries=0, streaming=True)
agent = Agent("adder", "Be brief.", config=config, tools=[add])


async def main(prompt: str) -> dict:
    """Answer with the model, and say which instance it was."""
    reply = await agent.ask(prompt)
    return dict(identity(), answer=reply.body)


async def later(prompt: str):
    """Return the agent's reply as it is."""
    return await agent.ask(prompt)
