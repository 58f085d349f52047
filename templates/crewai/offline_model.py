"""A model that needs no network and no key, to try the crew with.

It is no language model. It calls each tool whose name is in the prompt (for
count_words, both words) with the prompt's numbers and quoted texts as the
arguments, and answers with what the tools returned. So it works with tools
of your own, too. With OPENAI_API_KEY set nothing of this is used.
"""

import json
import re
import sys
from typing import Any, List, Tuple

from crewai import BaseLLM
from crewai.llms.base_llm import llm_call_context

print("OPENAI_API_KEY is not set: a small offline model answers (offline_model.py).", file=sys.stderr)


class OfflineModel(BaseLLM):
    """Calls tools by their names and streams its answers word by word."""

    def supports_function_calling(self) -> bool:
        return True

    def call(self, messages: List[dict], tools: List[dict] = None, *args: Any, **kwargs: Any) -> Any:
        """Return an answer, or the calls of tools that come first."""
        text, calls = _think(messages, [tool["function"] for tool in tools or []])
        if calls:
            return calls
        if self._effective_stream():
            with llm_call_context():
                for word in re.findall(r"\s*\S+", text):
                    self._emit_stream_chunk_event(word, kwargs.get("from_task"), kwargs.get("from_agent"))
        return text

    async def acall(self, *args: Any, **kwargs: Any) -> Any:
        return self.call(*args, **kwargs)

    def get_input_tokens_count(self, messages: Any, *args: Any, **kwargs: Any) -> int:
        return len(str(messages)) // 4


def _think(messages: List[dict], tools: List[dict]) -> Tuple[str, List[dict]]:
    """Return what to say and which tools to call."""
    asked = max(i for i, message in enumerate(messages) if message["role"] == "user")
    results = [_text(message) for message in messages[asked + 1 :] if message["role"] == "tool"]
    if results:
        return " ".join(result.rstrip(".") + "." for result in results), []
    prompt = _text(messages[asked])
    calls = []
    for tool in tools:
        if all(re.search(rf"\b{word}", prompt, re.IGNORECASE) for word in tool["name"].split("_")):
            function = {"name": tool["name"], "arguments": _fill(tool, prompt)}
            calls.append({"id": f"call_{asked}_{len(calls)}", "type": "function", "function": function})
    if calls:
        return "", calls
    names = " or ".join(tool["name"].replace("_", " ") for tool in tools)
    return f"I am a small offline model. {f'Ask me to {names}, or set' if tools else 'Set'} OPENAI_API_KEY.", []


def _fill(tool: dict, prompt: str) -> str:
    """Return arguments for a tool: numbers and quoted texts in the prompt's order."""
    quoted = r"\"(.+?)\"|'(.+?)'"
    texts = [a or b for a, b in re.findall(quoted, prompt)]
    numbers = re.findall(r"-?\d+(?:\.\d+)?", re.sub(quoted, "", prompt))
    arguments = {}
    for name, schema in tool["parameters"]["properties"].items():
        if schema.get("type") in ("number", "integer") and numbers:
            arguments[name] = json.loads(numbers.pop(0))
        elif schema.get("type") == "string":
            arguments[name] = texts.pop(0) if texts else prompt.split()[-1].strip("?!.")
    return json.dumps(arguments)


def _text(message: dict) -> str:
    content = message.get("content") or ""
    return content if isinstance(content, str) else " ".join(part.get("text", "") for part in content)
