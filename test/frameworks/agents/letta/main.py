"""A client of a Letta server, and calls of an agent that lives there."""

from letta_client import AsyncLetta, Letta

from probe import identity

client = Letta(max_retries=0)
async_client = AsyncLetta(max_retries=0)
AGENT = "agent-1"


def main(prompt: str) -> dict:
    """Answer with the agent, and say which instance it was."""
    answer = client.agents.messages.create(AGENT, messages=[{"role": "user", "content": prompt}])
    return dict(identity(), answer=answer.messages[-1].content)


def whole(prompt: str):
    """Return the client's answer as it is."""
    return client.agents.messages.create(agent_id=AGENT, input=prompt)


def events_stream(prompt: str):
    """Return the client's stream as it is."""
    return client.agents.messages.create(agent_id=AGENT, input=prompt, streaming=True)


def plain_stream(prompt: str):
    """What the adapter streams, by hand."""
    for piece in client.agents.messages.create(AGENT, input=prompt, streaming=True, stream_tokens=True):
        if piece.message_type == "assistant_message":
            yield piece.content
