"""An agent with two tools on nothing but the OpenAI SDK."""

import os
from typing import Iterator, List

from openai import OpenAI, pydantic_function_tool
from pydantic import BaseModel

SYSTEM = "You are a helpful assistant. Use the tools where they help and answer briefly."
MODEL = os.environ.get("OPENAI_MODEL") or "gpt-4o-mini"


def make_client() -> OpenAI:
    """Return OpenAI, or an offline model in its place when there is no key."""
    if os.environ.get("OPENAI_API_KEY"):
        return OpenAI()  # OPENAI_BASE_URL names another server
    from offline_model import CLIENT

    return OpenAI(api_key="offline", http_client=CLIENT)


class Add(BaseModel):
    """Add two numbers."""

    a: float
    b: float

    def run(self) -> str:
        return f"{self.a:g} + {self.b:g} = {self.a + self.b:g}"


class CountWords(BaseModel):
    """Count the words of a text."""

    text: str

    def run(self) -> str:
        return f"There are {len(self.text.split())} words in {self.text!r}"


client = make_client()
tools = [pydantic_function_tool(Add, name="add"), pydantic_function_tool(CountWords, name="count_words")]


def think(messages: List) -> Iterator[str]:
    """Stream an answer, with the tools that the model calls on the way; messages grows by what was said."""
    while True:
        with client.chat.completions.stream(model=MODEL, messages=messages, tools=tools) as stream:
            for event in stream:
                if event.type == "content.delta":
                    yield event.delta
            message = stream.get_final_completion().choices[0].message
        messages.append(message)
        if not message.tool_calls:
            return
        for call in message.tool_calls:
            result = call.function.parsed_arguments.run()
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})


def main(prompt: str) -> dict:
    """Answer a prompt and say which tools were used for it."""
    messages = conversation(prompt)
    answer = "".join(think(messages))
    used = [call.function.name for message in messages[2:] for call in getattr(message, "tool_calls", None) or ()]
    return {"answer": answer, "tools": used}


def main_stream(prompt: str) -> Iterator[str]:
    """Answer a prompt token by token."""
    return think(conversation(prompt))


def conversation(prompt: str) -> List:
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": prompt}]
