"""Multi-agent: of a CrewAI crew one agent looks things up and another one writes."""

import os
from typing import Iterator

from crewai import LLM, Agent, BaseLLM, Crew, Task
from crewai.tools import tool

NOTES = {
    "apollo": "Apollo 11 landed on the moon in July 1969",
    "hubble": "Hubble has been looking at the sky from orbit since 1990",
}


def make_model() -> BaseLLM:
    """Return OpenAI's model, or an offline one when there is no key."""
    if os.environ.get("OPENAI_API_KEY"):
        name = os.environ.get("OPENAI_MODEL") or "gpt-4o-mini"
        return LLM(model=f"openai/{name}", base_url=os.environ.get("OPENAI_BASE_URL"))
    from offline_model import OfflineModel

    return OfflineModel(model="offline")


@tool("search_notes")
def search_notes(topic: str) -> str:
    """Search the notes for a topic."""
    found = [note for name, note in NOTES.items() if name in topic.lower()]
    return found[0] if found else f"The notes say nothing about {topic}"


def make_crew(stream: bool = False) -> Crew:
    """Return a crew for one call: CrewAI's crews keep the state of their last run."""
    model = make_model()
    researcher = Agent(
        role="Researcher", goal="Find facts", backstory="You trust notes only.", llm=model, tools=[search_notes]
    )
    writer = Agent(role="Writer", goal="Write posts", backstory="You write one sentence, no more.", llm=model)
    search = Task(description='Search the notes for "{topic}".', expected_output="A fact.", agent=researcher)
    write = Task(description="Write a post about {topic}.", expected_output="A post.", agent=writer, context=[search])
    return Crew(agents=[researcher, writer], tasks=[search, write], stream=stream, tracing=False)


def write_post(topic: str) -> dict:
    """Have a post written, and show what each agent contributed."""
    output = make_crew().kickoff(inputs={"topic": topic})
    return {"post": output.raw, "steps": [{"agent": task.agent, "said": task.raw} for task in output.tasks_output]}


def write_post_live(topic: str) -> Iterator[dict]:
    """Have a post written, and show who says what while they do."""
    for chunk in make_crew(stream=True).kickoff(inputs={"topic": topic}):
        if chunk.content:
            yield {"agent": chunk.agent_role, "text": chunk.content}
