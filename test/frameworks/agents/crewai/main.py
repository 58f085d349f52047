"""A crew of one with a tool, a flow, and an agent alone."""

import os

from crewai import LLM, Agent, Crew, Task
from crewai.flow.flow import Flow, listen, start
from crewai.project import CrewBase, agent, task
from crewai.project import crew as crew_of
from crewai.tools import tool

from probe import identity

model = LLM(
    model="openai/fake-small",
    base_url=os.environ["OPENAI_BASE_URL"],
    api_key=os.environ["OPENAI_API_KEY"],
    max_retries=0,
)


@tool("add")
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


writer = Agent(role="writer", goal="answer", backstory="You answer.", llm=model, tools=[add], max_retry_limit=0)
crew = Crew(
    agents=[writer], tasks=[Task(description="{prompt}", expected_output="an answer", agent=writer)], tracing=False
)


@CrewBase
class Project:
    """A crew as `crewai create crew` lays it out."""

    @agent
    def writer(self) -> Agent:
        return Agent(role="writer", goal="tell of {prompt}", backstory="You answer.", llm=model, max_retry_limit=0)

    @task
    def answering(self) -> Task:
        return Task(description="{prompt}", expected_output="an answer", agent=self.writer())

    @crew_of
    def crew(self) -> Crew:
        return Crew(agents=self.agents, tasks=self.tasks, tracing=False)


class Greeting(Flow):
    """Greets by name, loudly."""

    @start()
    def greet(self):
        return "Hello " + self.state.get("name", "?")

    @listen(greet)
    def shout(self, greeting):
        return greeting.upper() + "!"


flow = Greeting()


def main(prompt: str) -> dict:
    """Answer with the model, and say which instance it was."""
    return dict(identity(), answer=crew.copy().kickoff(inputs={"prompt": prompt}).raw)


def shared(prompt: str) -> str:
    """Run the crew itself, which keeps what it was asked."""
    return crew.kickoff(inputs={"prompt": prompt}).raw


async def plain_stream(prompt: str):
    """What the adapter streams, by hand."""
    mine = crew.copy()
    mine.stream = True
    async for chunk in await mine.akickoff(inputs={"prompt": prompt}):
        if chunk.content:
            yield chunk.content
