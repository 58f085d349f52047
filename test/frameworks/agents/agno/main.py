"""An agent with a tool, and another whose history is kept for each session."""

from agno.agent import Agent
from agno.db.in_memory import InMemoryDb
from agno.models.openai import OpenAIChat

from probe import identity

model = OpenAIChat(id="fake-small", max_retries=0)


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


agent = Agent(name="adder", model=model, tools=[add], instructions="Be brief.", telemetry=False)
remembering = Agent(model=model, db=InMemoryDb(), add_history_to_context=True, telemetry=False)


def main(prompt: str) -> dict:
    """Answer with the model, and say which instance it was."""
    run = agent.run(prompt)
    if run.status.value == "ERROR":
        raise RuntimeError(run.content)
    return dict(identity(), answer=run.content)


def history(prompt: str, session_id: str) -> dict:
    """Answer with what was said before in this session."""
    run = remembering.run(prompt, session_id=session_id)
    return {"answer": run.content, "users": [one.content for one in run.messages if one.role == "user"]}


def plain_stream(prompt: str):
    """What the adapter streams, by hand."""
    for event in agent.run(prompt, stream=True):
        if event.event == "RunContent":
            yield event.content
