"""An agent that calls tools, and one that writes code."""

import json

from smolagents import ChatMessage, ChatMessageStreamDelta, CodeAgent, MessageRole, OpenAIModel, ToolCallingAgent, tool

from probe import identity

model = OpenAIModel(model_id="fake-small", client_kwargs={"max_retries": 0}, retry=False)


@tool
def add(a: int, b: int) -> int:
    """Add two numbers.

    Args:
        a: one
        b: the other
    """
    return a + b


agent = ToolCallingAgent(tools=[add], model=model, stream_outputs=True, verbosity_level=0, max_steps=2)
coder = CodeAgent(tools=[add], model=model, verbosity_level=0, max_steps=2)


def main(prompt: str) -> dict:
    """Answer with the model, and say which instance it was."""
    helper = ToolCallingAgent(tools=[add], model=model, verbosity_level=0, max_steps=2)
    answer = helper.run("use final_answer " + json.dumps({"answer": "You said: " + prompt}))
    return dict(identity(), answer=answer)


def tokens_stream(prompt: str):
    """Answer word by word, by the model alone."""
    for delta in model.generate_stream([ChatMessage(role=MessageRole.USER, content=prompt)]):
        if delta.content:
            yield delta.content


talker = CodeAgent(tools=[add], model=model, stream_outputs=True, verbosity_level=0, max_steps=2)


def plain_stream(prompt: str):
    """What the adapter streams, by hand."""
    for event in talker.run(prompt, stream=True):
        if isinstance(event, ChatMessageStreamDelta) and event.content:
            yield event.content


def steps(task: str):
    """Yield what a run tells beside its words, as it is."""
    for event in agent.run(task, stream=True):
        if not isinstance(event, ChatMessageStreamDelta):
            yield event
