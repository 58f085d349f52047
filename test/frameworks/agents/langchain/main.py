"""A chain (LCEL) and an agent with a tool."""

from langchain.agents import create_agent
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

from probe import identity


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


model = ChatOpenAI(model="fake-small", max_retries=0, stream_usage=True)
chain = ChatPromptTemplate.from_messages([("system", "Be brief."), ("user", "{prompt}")]) | model | StrOutputParser()
agent = create_agent(model, [add])


def main(prompt: str) -> dict:
    """Answer with the model, and say which instance it was."""
    return dict(identity(), answer=chain.invoke({"prompt": prompt}))


def plain_stream(prompt: str):
    """What the adapter streams, by hand."""
    yield from chain.stream({"prompt": prompt})
