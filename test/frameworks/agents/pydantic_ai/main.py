"""An agent with a tool."""

from dataclasses import dataclass

from pydantic_ai import Agent, RunContext
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from openai import AsyncOpenAI
from probe import identity

model = OpenAIChatModel("fake-small", provider=OpenAIProvider(openai_client=AsyncOpenAI(max_retries=0, timeout=60)))
agent = Agent(model, instructions="Be brief.")


@agent.tool_plain
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@dataclass
class Guest:
    """Who is asking."""

    name: str


knowing = Agent(model, deps_type=Guest)


@knowing.output_validator
def signed(context: RunContext[Guest], answer: str) -> str:
    """Sign the answer with what the dependencies say."""
    return answer + ", " + context.deps.name


def main(prompt: str) -> dict:
    """Answer with the model, and say which instance it was."""
    return dict(identity(), answer=agent.run_sync(prompt).output)


async def plain_stream(prompt: str):
    """What the adapter streams, by hand."""
    async with agent.run_stream(prompt) as run:
        async for text in run.stream_text(delta=True, debounce_by=None):
            yield text
