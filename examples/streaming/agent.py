"""Streaming: a generator yields, and each item reaches the caller at once."""

import os
from typing import Iterator

from openai import OpenAI

MODEL = os.environ.get("OPENAI_MODEL") or "gpt-4o-mini"


def make_client() -> OpenAI:
    """Return OpenAI, or an offline model in its place when there is no key."""
    if os.environ.get("OPENAI_API_KEY"):
        return OpenAI()
    from offline_model import CLIENT

    return OpenAI(api_key="offline", http_client=CLIENT)


client = make_client()


def tokens(prompt: str) -> Iterator[str]:
    """Answer token by token. When the caller hangs up, the generator is closed, and the stream with it."""
    messages = [{"role": "user", "content": prompt}]
    with client.chat.completions.create(model=MODEL, messages=messages, stream=True) as stream:
        for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                yield chunk.choices[0].delta.content


def steps(n: int = 3) -> Iterator[dict]:
    """Tell of some work step by step: items may be any JSON."""
    for step in range(1, n + 1):
        yield {"step": step, "of": n, "squared": step * step}
