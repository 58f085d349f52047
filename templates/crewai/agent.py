"""A CrewAI crew of one agent with two tools."""

import os
from typing import Iterator

from crewai import LLM, Agent, BaseLLM, Crew, Task
from crewai.tools import tool


def make_model() -> BaseLLM:
    """Return OpenAI's model, or an offline one when there is no key."""
    if os.environ.get("OPENAI_API_KEY"):
        name = os.environ.get("OPENAI_MODEL") or "gpt-4o-mini"
        return LLM(model=f"openai/{name}", base_url=os.environ.get("OPENAI_BASE_URL"))
    from offline_model import OfflineModel

    return OfflineModel(model="offline")


@tool("add")
def add(a: float, b: float) -> str:
    """Add two numbers."""
    return f"{a:g} + {b:g} = {a + b:g}"


@tool("count_words")
def count_words(text: str) -> str:
    """Count the words of a text."""
    return f"There are {len(text.split())} words in {text!r}"


assistant = Agent(
    role="Assistant",
    goal="Answer questions briefly",
    backstory="You use your tools where they help.",
    llm=make_model(),
    tools=[add, count_words],
)


def make_crew(stream: bool = False) -> Crew:
    """Return a crew for one call: CrewAI's crews keep the state of their last run."""
    agent = assistant.copy()
    task = Task(description="{prompt}", expected_output="A short answer.", agent=agent)
    return Crew(agents=[agent], tasks=[task], stream=stream, tracing=False)


def main(prompt: str) -> dict:
    """Answer a prompt and say which tools were used for it."""
    output = make_crew().kickoff(inputs={"prompt": prompt})
    used = [message["name"] for message in output.tasks_output[0].messages if message["role"] == "tool"]
    return {"answer": output.raw, "tools": used}


def main_stream(prompt: str) -> Iterator[str]:
    """Answer a prompt token by token."""
    for chunk in make_crew(stream=True).kickoff(inputs={"prompt": prompt}):
        if chunk.content:
            yield chunk.content
