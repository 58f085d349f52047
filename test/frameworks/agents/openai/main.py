"""The OpenAI SDK as people use it: clients made at import, streams handed on."""

from openai import AsyncOpenAI, OpenAI

from probe import identity

client = OpenAI(max_retries=0)
async_client = AsyncOpenAI(max_retries=0)


def ask(prompt: str, stream: bool = False) -> str:
    """Ask the model; its annotation is true only where nothing is streamed."""
    answer = client.chat.completions.create(
        model="fake-small",
        messages=[{"role": "user", "content": prompt}],
        stream=stream,
        **({"stream_options": {"include_usage": True}} if stream else {}),
    )
    return answer if stream else answer.choices[0].message.content


def helper_stream(prompt: str) -> str:
    """Hand on the SDK's stream as it is."""
    return ask(prompt, stream=True)


def tokens_stream(prompt: str):
    """Answer token by token."""
    for chunk in ask(prompt, stream=True):
        if chunk.choices and chunk.choices[0].delta.content:
            yield chunk.choices[0].delta.content


async def later_stream(prompt: str):
    """Return an async stream as it is."""
    return await async_client.responses.create(model="fake-small", input=prompt, stream=True)


async def later(prompt: str) -> dict:
    """Return the SDK's object."""
    return await async_client.responses.create(model="fake-small", input=prompt)


def completion(prompt: str):
    """Return the SDK's object."""
    return client.chat.completions.create(model="fake-small", messages=[{"role": "user", "content": prompt}])


def main(prompt: str) -> dict:
    """Answer with the model, and say which instance it was."""
    return dict(identity(), answer=ask(prompt))


def plain_stream(prompt: str):
    """What the adapter streams, by hand."""
    for chunk in ask(prompt, stream=True):
        yield chunk.model_dump(mode="json")
