"""A Letta agent with two tools. Letta's server runs it and keeps its memory."""

import inspect
import os
from functools import lru_cache
from typing import Iterator

from letta_client import Letta

MODEL = os.environ.get("LETTA_MODEL") or "openai/gpt-4o-mini"


def make_client() -> Letta:
    """Return Letta's server, or an offline one in its place when none is named."""
    if os.environ.get("LETTA_API_KEY") or os.environ.get("LETTA_BASE_URL"):
        return Letta()  # Letta Cloud by its key, a server of your own by its address
    from offline_letta import CLIENT

    return Letta(base_url="http://offline", http_client=CLIENT)


client = make_client()


def add(a: float, b: float) -> str:
    """Add two numbers.

    Args:
        a (float): The first number.
        b (float): The second number.
    """
    return f"{a:g} + {b:g} = {a + b:g}"


def count_words(text: str) -> str:
    """Count the words of a text.

    Args:
        text (str): The text.
    """
    return f"There are {len(text.split())} words in {text!r}"


@lru_cache(maxsize=None)
def tool_ids() -> list:
    """Bring the tools' source to the server, once: it runs them."""
    return [client.tools.upsert(source_code=inspect.getsource(tool)).id for tool in (add, count_words)]


def make_agent() -> str:
    """Make an agent on the server and return its ID."""
    persona = {"label": "persona", "value": "A helpful assistant that uses its tools and answers briefly."}
    return client.agents.create(model=MODEL, memory_blocks=[persona], tool_ids=tool_ids()).id


def main(prompt: str, agent_id: str = "") -> dict:
    """Answer a prompt and say which tools were used. With an agent_id, go on with what that agent remembers."""
    agent_id = agent_id or make_agent()
    messages = client.agents.messages.create(agent_id, input=prompt).messages
    used = [message.tool_call.name for message in messages if message.message_type == "tool_call_message"]
    answer = "".join(message.content for message in messages if message.message_type == "assistant_message")
    return {"answer": answer, "tools": used, "agent_id": agent_id}


def main_stream(prompt: str, agent_id: str = "") -> Iterator[str]:
    """Answer a prompt token by token."""
    with client.agents.messages.stream(agent_id or make_agent(), input=prompt, stream_tokens=True) as stream:
        for message in stream:
            if message.message_type == "assistant_message":
                yield message.content
            elif message.message_type == "error_message":
                raise RuntimeError(message.message)
