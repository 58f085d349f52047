"""An agent with a tool, and a team of two."""

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.messages import ModelClientStreamingChunkEvent
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_ext.models.openai import OpenAIChatCompletionClient

from probe import identity

model = OpenAIChatCompletionClient(
    model="fake-small",
    max_retries=0,
    timeout=60,
    include_name_in_message=False,
    stream_options={"include_usage": True},
    model_info={
        "vision": False,
        "function_calling": True,
        "json_output": True,
        "family": "unknown",
        "structured_output": True,
    },
)


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


agent = AssistantAgent("adder", model_client=model, tools=[add], model_client_stream=True)
team = RoundRobinGroupChat(
    [AssistantAgent("first", model_client=model), AssistantAgent("second", model_client=model)],
    termination_condition=MaxMessageTermination(3),
)


async def main(prompt: str) -> dict:
    """Answer with the model, and say which instance it was."""
    result = await AssistantAgent("helper", model_client=model).run(task=prompt)
    return dict(identity(), answer=result.messages[-1].content)


async def events_stream(prompt: str):
    """Yield what a team says, as it is: the last is of another class."""
    async for event in team.run_stream(task=prompt):
        yield event
    await team.reset()


async def plain_stream(prompt: str):
    """What the adapter streams, by hand."""
    helper = AssistantAgent("helper", model_client=model, model_client_stream=True)
    async for event in helper.run_stream(task=prompt):
        if isinstance(event, ModelClientStreamingChunkEvent):
            yield event.content
