"""A smolagents agent with two tools."""

import os
from typing import Iterator

from smolagents import FinalAnswerStep, Model, OpenAIModel, ToolCall, ToolCallingAgent, tool


def make_model() -> Model:
    """Return OpenAI's model, or an offline one when there is no key."""
    if os.environ.get("OPENAI_API_KEY"):
        return OpenAIModel(os.environ.get("OPENAI_MODEL") or "gpt-4o-mini")  # OPENAI_BASE_URL names another server
    from offline_model import OfflineModel

    return OfflineModel()


@tool
def add(a: float, b: float) -> str:
    """Add two numbers.

    Args:
        a: The first number.
        b: The second number.
    """
    return f"{a:g} + {b:g} = {a + b:g}"


@tool
def count_words(text: str) -> str:
    """Count the words of a text.

    Args:
        text: The text.
    """
    return f"There are {len(text.split())} words in {text!r}"


model = make_model()


def make_agent() -> ToolCallingAgent:
    """Return an agent for one call: smolagents' agents keep the memory of their last run."""
    return ToolCallingAgent(model=model, tools=[add, count_words], verbosity_level=0)


def main(prompt: str) -> dict:
    """Answer a prompt and say which tools were used for it."""
    agent = make_agent()
    answer = agent.run(prompt)
    used = [call.name for step in agent.memory.steps for call in getattr(step, "tool_calls", None) or ()]
    return {"answer": answer, "tools": [name for name in used if name != "final_answer"]}


def main_stream(prompt: str) -> Iterator[str]:
    """Answer a prompt step by step: the tools as they are called, then the answer."""
    for step in make_agent().run(prompt, stream=True):
        if isinstance(step, ToolCall) and step.name != "final_answer":
            yield f"Calling {step.name} with {step.arguments}.\n"
        elif isinstance(step, FinalAnswerStep):
            yield step.output
